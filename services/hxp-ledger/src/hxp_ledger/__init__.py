"""API keys, usage and audit, on SQLite or PostgreSQL."""

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
