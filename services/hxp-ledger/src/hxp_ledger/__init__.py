"""API keys, usage and audit, on SQLite or PostgreSQL."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from ._audit import AuditEntry, AuditLog
    from ._database import Database
    from ._keys import KeyStore
    from ._service import LedgerService
    from ._settings import LedgerSettings
    from ._usage import UsagePage, UsageStore, UsageSummary
    from .errors import (
        DatabaseUnavailableError,
        DatabaseURLError,
        KeyNotFoundError,
        LedgerError,
        MalformedCursorError,
        SchemaVersionError,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_audit": ("AuditEntry", "AuditLog"),
            "_database": ("Database",),
            "_keys": ("KeyStore",),
            "_service": ("LedgerService",),
            "_settings": ("LedgerSettings",),
            "_usage": ("UsagePage", "UsageStore", "UsageSummary"),
            "errors": (
                "DatabaseURLError",
                "DatabaseUnavailableError",
                "KeyNotFoundError",
                "LedgerError",
                "MalformedCursorError",
                "SchemaVersionError",
            ),
        },
    )

__all__ = [
    "AuditEntry",
    "AuditLog",
    "Database",
    "DatabaseURLError",
    "DatabaseUnavailableError",
    "KeyNotFoundError",
    "KeyStore",
    "LedgerError",
    "LedgerService",
    "LedgerSettings",
    "MalformedCursorError",
    "SchemaVersionError",
    "UsagePage",
    "UsageStore",
    "UsageSummary",
]
