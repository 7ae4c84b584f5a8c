"""Bring a database to the newest schema, one process at a time."""

from __future__ import annotations

import asyncio
from importlib.resources import as_file, files
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from .errors import SchemaVersionError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

_ADVISORY_KEY = 0x6878705F6C6564  # "hxp_led"
_alembic = Lock()  # alembic keeps its context in process-wide proxies: one migration at a time in this process


_VERSION_TABLE = "hxp_ledger_version"


def newest_version() -> str:
    """Return the version that the migrations lead to; each file's name begins with its own."""
    names = [file.name for file in (files("hxp_ledger") / "migrations" / "versions").iterdir()]
    return max(name.partition("_")[0] for name in names if name[0].isdigit())


def is_newest(connection: Connection) -> bool:
    """Return whether the schema is of the newest version; only reads."""
    if not inspect(connection).has_table(_VERSION_TABLE):
        return False
    found = connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalars().all()  # noqa: S608
    return list(found) == [newest_version()]


async def migrate(connection: AsyncConnection) -> None:
    """Apply all migrations that are missing, in the open transaction of the connection.

    The database's own lock is taken first, and so a second process waits and then finds nothing to do: SQLite has
    locked at `BEGIN IMMEDIATE`, PostgreSQL takes an advisory lock that ends with the transaction.

    Raises:
        SchemaVersionError: The database is at a version that this code does not know.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
    while not _alembic.acquire(blocking=False):  # noqa: ASYNC110 (an Event belongs to one loop, this lock to all)
        await asyncio.sleep(0.01)
    try:
        await connection.run_sync(_upgrade)
    finally:
        _alembic.release()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 (a database at rest is opened without it)
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    with as_file(files("hxp_ledger") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            message = "the database belongs to a newer version of hxp-ledger, upgrade this one"
            raise SchemaVersionError(message) from error
