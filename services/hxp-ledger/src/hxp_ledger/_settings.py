"""What a ledger is told."""

from __future__ import annotations

from hxp_services_base import Settings
from pydantic import Field, SecretStr


class LedgerSettings(Settings):
    """Where keys and usage are kept."""

    url: SecretStr = Field(
        default=SecretStr("sqlite:///.hxp/ledger.db"),
        description="sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user:password@host/name.",
    )
