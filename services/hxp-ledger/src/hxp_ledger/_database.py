"""One database, SQLite or PostgreSQL, opened and closed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncpg import PostgresError  # type: ignore[import-untyped]  # it has no types
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import QueuePool

from ._migration import is_newest, migrate
from ._probe import PROBE, prepare_sqlite, probe_writes
from .errors import DatabaseUnavailableError, DatabaseURLError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Self

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
_WRITE = "hxp_write"
_PROVED_FOR = 10.0
"""Seconds for which a write that succeeded shows that the next one would."""


class Database:
    """A database that is open inside `async with`.

    Args:
        url: `sqlite:///relative/path.db`, `sqlite:////absolute/path.db` or `postgresql://user:password@host/name`.
        busy_timeout: Seconds to wait for another writer of a SQLite file.
        close_timeout: Seconds that connections in use have to come back when the database is closed.
        clock: Monotonic seconds.

    Raises:
        DatabaseURLError: The URL names no database the ledger can use.
    """

    def __init__(
        self,
        url: str,
        *,
        busy_timeout: float = 30.0,
        close_timeout: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = _driver_url(url)
        self._busy_timeout = busy_timeout
        self._close_timeout = close_timeout
        self._clock = clock
        self._proved_at = float("-inf")
        self._engine: AsyncEngine | None = None

    def __repr__(self) -> str:
        return f"<Database {self._url.render_as_string(hide_password=True)}>"

    @property
    def engine(self) -> AsyncEngine:
        """The engine of the open database."""
        if self._engine is None:
            raise RuntimeError("the database is not open, use `async with`")
        return self._engine

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._url.get_backend_name()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        with self._translated():
            async with self.engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes: committed at the end, rolled back by any error.

        SQLite takes its write lock here, at once: a lock asked for in the middle could be refused.

        Raises:
            DatabaseUnavailableError: The database does not answer, or cannot write. Whether a commit that failed is
                in the database is then unknown: do the same again, which is safe.
        """
        with self._translated(is_write=True):
            async with self.engine.execution_options(**{_WRITE: True}).begin() as connection:
                yield connection
        self._proved_at = self._clock()

    async def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            DatabaseUnavailableError: There was none.
        """
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def require_writes(self) -> None:
        """Make sure that the database takes writes: by the last one, or else by one that is taken back.

        Raises:
            DatabaseUnavailableError: It takes none now.
        """
        if self._clock() - self._proved_at <= _PROVED_FOR:
            return
        try:
            await probe_writes(self.engine.execution_options(**{_WRITE: True}))
        except (OSError, SQLAlchemyError, PostgresError) as error:
            reason = getattr(error, "orig", None) or error  # a probe holds nothing that must not be shown
            raise DatabaseUnavailableError(f"the database takes no writes: {reason}") from error
        self._proved_at = self._clock()

    async def migrate(self) -> None:
        """Bring the schema to the newest version; of several processes one does it and the others wait.

        A schema that is the newest already is only read, so that no other writer is waited for.

        Raises:
            DatabaseUnavailableError: The database does not answer.
            SchemaVersionError: A newer version of the ledger owns the database.
        """
        async with self.reading() as connection:
            if await connection.run_sync(is_newest):
                return
        async with self.writing() as connection:
            await migrate(connection)

    @contextmanager
    def _translated(self, *, is_write: bool = False) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise  # a mistake of the program, not of the database
        except (OSError, SQLAlchemyError, PostgresError) as error:
            if is_write:
                self._proved_at = float("-inf")
            raise DatabaseUnavailableError(f"{self!r} failed: {type(error).__name__}") from error

    async def __aenter__(self) -> Self:
        if self.dialect == "sqlite":
            try:
                await asyncio.to_thread(_prepare_file, Path(self._url.database or ""), self._busy_timeout)
            except (OSError, sqlite3.Error) as error:
                raise DatabaseUnavailableError(f"{self!r} cannot be opened") from error
            self._engine = _sqlite_engine(self._url, self._busy_timeout)
        else:
            self._engine = create_async_engine(self._url, hide_parameters=True, pool_pre_ping=True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        engine, self._engine = self.engine, None
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._close_timeout):
                    await _all_returned(engine)
        finally:
            await engine.dispose()


async def _all_returned(engine: AsyncEngine) -> None:
    """Wait until no connection is in use, since SQLAlchemy closes only those that lie in its pool.

    A task that was cancelled has ended a moment before its connection is back there, and nothing tells of that moment.
    """
    pool = engine.sync_engine.pool
    assert isinstance(pool, QueuePool)  # noqa: S101 - SQLAlchemy's choice for both dialects
    while pool.checkedout():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.005)


def _driver_url(url: str) -> URL:
    """Turn a plain URL into that of the asynchronous driver; nothing of a wrong one is shown."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseURLError("not a database URL, write sqlite:///file.db or postgresql://…") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise DatabaseURLError(f"{parsed.drivername!r} is not supported, use sqlite or postgresql")
    if driver.startswith("sqlite"):
        if parsed.database in {None, "", ":memory:"}:
            raise DatabaseURLError("a ledger needs a file, write sqlite:///file.db")
    elif "sslmode" in parsed.query:  # libpq's name; asyncpg calls it ssl
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": parsed.query["sslmode"]})
    return parsed.set(drivername=driver)


def _prepare_file(
    path: Path,
    patience: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Make the folder and the file, its owner's alone, and switch it to a write-ahead log.

    The switch can fail although a busy timeout is set, when several processes open a new file at once.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_private(path)
    end = clock() + patience
    with closing(sqlite3.connect(path, timeout=patience)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or clock() > end:
                    raise
                sleep(0.01)
            else:
                return


def _make_private(path: Path) -> None:
    """Create the file with no right for others, and take such a right away; SQLite gives its other files the same."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for file in (path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))):
        with suppress(FileNotFoundError):
            found = file.stat()
            if found.st_uid == os.geteuid() and found.st_mode & 0o077:
                file.chmod(found.st_mode & 0o700)


def _sqlite_engine(url: URL, busy_timeout: float) -> AsyncEngine:
    engine = create_async_engine(url, hide_parameters=True, connect_args={"timeout": busy_timeout})

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver opens no transactions of its own
        cursor = connection.cursor()
        try:
            for pragma in ("synchronous=FULL", "foreign_keys=ON"):
                cursor.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()  # SQLAlchemy does not, and its thread would live on until the garbage is collected
            raise
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if PROBE in options:
            prepare_sqlite(connection)
        write = options.get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
