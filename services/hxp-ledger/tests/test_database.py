"""One database, opened and closed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hxp_ledger import Database, DatabaseUnavailableError, DatabaseURLError, LedgerError
from hxp_ledger._database import _prepare_file
from sqlalchemy import event, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_an_open_database_answers(url: str) -> None:
    async with Database(url) as database:
        await database.ping()
        assert database.dialect in {"sqlite", "postgresql"}


async def test_a_closed_database_says_so(url: str) -> None:
    database = Database(url)
    with pytest.raises(RuntimeError, match="not open"):
        await database.ping()
    async with database:
        await database.ping()
    with pytest.raises(RuntimeError, match="not open"):
        await database.ping()
    async with database:  # and can be opened again
        await database.ping()


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_a_connection_of_a_cancelled_task_is_closed_too(url: str, cancellations: int) -> None:
    """X1: the task ends before SQLAlchemy has its connection back."""
    reading = asyncio.Event()
    async with Database(url) as database:

        async def read() -> None:
            async with database.reading() as connection:
                await connection.execute(text("SELECT 1"))
                reading.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(read())
        await reading.wait()
        pool = database.engine.sync_engine.pool
        closed: list[object] = []
        event.listen(pool, "close", lambda connection, _record: closed.append(connection))
        for _ in range(cancellations):
            task.cancel()
            await asyncio.sleep(0)
    assert len(closed) == 1
    await asyncio.wait([task])


async def test_a_connection_that_never_comes_back_does_not_hold_up_the_end(sqlite_url: str) -> None:
    leaving = Database(sqlite_url, close_timeout=0)
    await leaving.__aenter__()
    kept = await leaving.engine.connect()
    await leaving.__aexit__(None, None, None)
    with pytest.raises(RuntimeError, match="not open"):
        await leaving.ping()
    await kept.invalidate()
    await kept.close()


async def test_a_relative_path_is_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with Database("sqlite:///state/deep/ledger.db") as database:
        await database.ping()
    assert (tmp_path / "state/deep/ledger.db").is_file()
    assert (tmp_path / "state/deep").stat().st_mode & 0o777 == 0o700
    for file in (tmp_path / "state/deep").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """A16: with whatever umask it was made, and whoever made it looser since."""
    file = tmp_path / "ledger.db"
    async with Database(f"sqlite:///{file}") as database:
        await database.migrate()
        await database.ping()
    file.chmod(0o644)
    (tmp_path / "ledger.db-wal").touch(mode=0o644)
    async with Database(f"sqlite:///{file}") as database:
        await database.ping()
        assert _open_to_others(tmp_path) == {"ledger.db": 0, "ledger.db-wal": 0, "ledger.db-shm": 0}


def _open_to_others(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()}


async def test_sqlite_is_set_up_to_lose_nothing(sqlite_url: str) -> None:
    async with Database(sqlite_url) as database, database.reading() as connection:
        found: dict[str, Any] = {}
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            found[name] = (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}


async def test_a_writer_waits_for_another_and_gives_up_in_time(sqlite_url: str) -> None:
    async with Database(sqlite_url, busy_timeout=0.05) as database:
        await database.migrate()
        async with database.writing():
            with pytest.raises(DatabaseUnavailableError, match="OperationalError"):
                async with database.writing():
                    raise AssertionError
            await database.ping()  # reading goes on


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("this is not a database, and long enough to be looked at\n" * 20)
    for path in (tmp_path / "file", tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(DatabaseUnavailableError, match="cannot be opened"):
            async with Database(f"sqlite:///{path}"):
                raise AssertionError


class TestTheSwitchToTheLog:
    """It can fail although SQLite was told to wait."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "ledger.db"

    @pytest.fixture
    def other(self, path: Path) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE t (x)")
            connection.execute("BEGIN EXCLUSIVE")
            yield connection

    def test_is_tried_again_while_the_file_is_busy(self, path: Path, other: sqlite3.Connection) -> None:
        naps: list[float] = []

        def nap(seconds: float) -> None:
            naps.append(seconds)
            other.rollback()

        _prepare_file(path, 0.01, clock=lambda: 0.0, sleep=nap)
        assert len(naps) == 1
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_is_given_up_in_time(self, path: Path, other: sqlite3.Connection) -> None:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            _prepare_file(path, 0.0, clock=iter([0.0, 1.0]).__next__)
        other.rollback()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "not a database URL"),
        ("canary", "not a database URL"),
        ("postgresql://u:canary@h:canary/db", "not a database URL"),
        ("mysql://u:canary@h/db", "'mysql' is not supported"),
        ("sqlite+pysqlite:///canary", "is not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_url_that_will_not_do_is_refused_without_showing_it(url: str, message: str) -> None:
    """L4."""
    with pytest.raises(DatabaseURLError, match=message) as caught:
        Database(url)
    assert isinstance(caught.value, LedgerError)
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_plain_url_gets_its_driver() -> None:
    assert repr(Database("postgres://u:p@h/db?sslmode=require")) == (
        "<Database postgresql+asyncpg://u:***@h/db?ssl=require>"
    )
    assert repr(Database("sqlite:///a.db")) == "<Database sqlite+aiosqlite:///a.db>"


async def test_a_database_that_is_not_there_is_named_without_its_password(postgres_url: str) -> None:
    """L4, U1."""
    gone = Database("postgresql://user:canary@127.0.0.1:1/db")
    missing = Database(postgres_url.replace("/postgres?", "/missing?"))
    for database in (gone, missing):
        async with database:
            with pytest.raises(DatabaseUnavailableError) as caught:
                await database.ping()
            with pytest.raises(DatabaseUnavailableError):
                await database.migrate()
        shown = f"{database!r} {caught.value!r} {caught.value.__cause__!r} {caught.value.__cause__}"
        assert "canary" not in shown
