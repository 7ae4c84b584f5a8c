"""The tables, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    false,
)

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class UTCTime(TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` in PostgreSQL, sortable text in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Hand an aware time to the driver, in UTC."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """Return an aware time."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = MetaData()

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("digest", String(128), nullable=False),
    Column("created_at", UTCTime, nullable=False),
    Column("revoked_at", UTCTime),
    Column("development", Boolean, nullable=False),
    Column("team", String(64)),
    Column("changed", BigInteger, nullable=False, server_default="0"),  # the version that a change of it made
    Index("ix_api_keys_changed", "changed"),
)

key_readers = Table(
    "key_readers",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("seen_at", UTCTime, nullable=False),
)

keys_version = Table(
    "keys_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("request_id", String(128), primary_key=True),
    Column("key_id", String(128)),
    Column("model", String(256), nullable=False),
    Column("endpoint", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("http_status", Integer),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("started_at", UTCTime, nullable=False),
    Column("finished_at", UTCTime),
    Column("stream", Boolean, nullable=False),
    Column("upstream", String(256)),
    Column("error_code", String(128)),
    Column("estimated", Boolean, nullable=False, server_default=false()),
    Index("ix_usage_started_at", "started_at", "request_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", UTCTime, nullable=False),
    Column("actor", String(256), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("detail", JSON, nullable=False),
)
