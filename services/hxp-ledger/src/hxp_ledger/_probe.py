"""A write that is taken back, which shows whether the database takes any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

PROBE = "hxp_probe"
"""The execution option of a connection that probes; the engine of SQLite calls `prepare_sqlite` for it."""
_PATIENCE = 1.0
"""Seconds to wait for another writer: less than a health check may take."""
_SIZE = 256 * 1024
"""Bytes that are written to a SQLite file: about as many as the largest batch of usage has."""


async def probe_writes(engine: AsyncEngine) -> None:
    """Write and roll back, with little patience.

    Args:
        engine: Its connections begin with the lock for writing.

    Raises:
        SQLAlchemyError: The database takes no writes now.
    """
    if engine.dialect.name == "sqlite":
        await _probe_sqlite(engine)
        return
    async with engine.connect() as connection:
        await connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE:g}s'"))
        await connection.execute(text("UPDATE keys_version SET version = version"))
        await connection.rollback()


async def _probe_sqlite(engine: AsyncEngine) -> None:
    async with engine.execution_options(**{PROBE: True}).connect() as connection:
        try:
            await connection.execute(text("CREATE TABLE hxp_probe (content BLOB)"))
            await connection.execute(text("INSERT INTO hxp_probe VALUES (zeroblob(:size))"), {"size": _SIZE})
            await connection.rollback()
        finally:
            await connection.invalidate()  # its patience and its cache are those of a probe


def prepare_sqlite(connection: Connection) -> None:
    """Give a connection the patience of a probe, and a cache too small to keep what it writes from the disk."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_PATIENCE * 1000:.0f}")
    connection.exec_driver_sql("PRAGMA cache_size = 8")
