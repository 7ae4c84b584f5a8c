"""What is left when a statement fails, the disk is full, or the process dies."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hxp_ledger import Database, DatabaseUnavailableError, KeyStore, UsageStore
from hxp_ledger.testing import batch, usage
from hxp_schemas import new_id
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio


class FaultError(Exception):
    """Injected."""


class FailAt:
    """Fails the Nth statement of an engine, the commit included."""

    def __init__(self, step: int) -> None:
        self.left = step

    def install(self, engine: AsyncEngine) -> None:
        event.listen(engine.sync_engine, "before_cursor_execute", self._count)
        event.listen(engine.sync_engine, "commit", self._count)

    def remove(self, engine: AsyncEngine) -> None:
        event.remove(engine.sync_engine, "before_cursor_execute", self._count)
        event.remove(engine.sync_engine, "commit", self._count)

    def _count(self, *_arguments: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise FaultError


def contents(path: Path) -> dict[str, list[Any]]:
    """Read the file as another program would, and check it."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT * FROM "{name}" ORDER BY 1').fetchall() for name in tables}


async def create(database: Database) -> None:
    await KeyStore(database).create("a", "0" * 64, key_id=new_id("key"))


async def revoke(database: Database) -> None:
    keys = KeyStore(database)
    await keys.revoke((await keys.list())[0].id)


async def ingest(database: Database) -> None:
    await UsageStore(database).ingest(batch(*(usage(number) for number in range(1000))))


async def migrate(database: Database) -> None:
    await database.migrate()


@pytest.mark.parametrize("change", [create, revoke, ingest, migrate])
async def test_whichever_statement_fails_nothing_is_half_written(
    change: Callable[[Database], Awaitable[None]], tmp_path: Path
) -> None:
    """D3: fail the first, second, third… statement, until all succeed."""
    path = tmp_path / "ledger.db"
    async with Database(f"sqlite:///{path}") as database:
        if change is not migrate:
            await database.migrate()
            await create(database)
        before = contents(path)
        for step in count(1):
            fault = FailAt(step)
            fault.install(database.engine)
            try:
                await change(database)
            except FaultError:
                assert contents(path) == before
            else:
                break
            finally:
                fault.remove(database.engine)
        assert step >= 4
        after = contents(path)
        assert after != before
        if change is ingest:
            await change(database)  # the sender cannot know, and sends again
            assert contents(path) == after
            assert len(after["usage"]) == 1000


async def test_a_full_disk_loses_the_batch_whole_and_nothing_else(tmp_path: Path) -> None:
    """D1."""
    path = tmp_path / "ledger.db"
    async with Database(f"sqlite:///{path}") as database:
        await database.migrate()
        await UsageStore(database).ingest(batch(usage(5000)))
        before = contents(path)

        def limit(connection: Any, _record: object) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size
            cursor.close()

        await database.engine.dispose()
        event.listen(database.engine.sync_engine, "connect", limit)
        with pytest.raises(DatabaseUnavailableError) as caught:
            await ingest(database)
        assert "full" in str(caught.value.__cause__)
        assert "hxp-tiny" not in str(caught.value.__cause__)  # parameters are not shown
        assert contents(path) == before
        await database.ping()
        event.remove(database.engine.sync_engine, "connect", limit)
        await database.engine.dispose()
        await ingest(database)
        assert len(contents(path)["usage"]) == 1001


PROGRAM = """
import asyncio, os, shutil, signal, sys
from hxp_ledger import Database, UsageStore
from hxp_ledger.testing import batch, usage
from sqlalchemy import event

async def main(path, left):
    def die(*arguments):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async with Database(f"sqlite:///{path}") as database:
        event.listen(database.engine.sync_engine, "after_cursor_execute", die)
        event.listen(database.engine.sync_engine, "commit", die)
        await UsageStore(database).ingest(batch(*(usage(number) for number in range(1000))))

status, step = None, 0
while status != 0:
    step += 1
    path = f"{sys.argv[1]}.{step}"
    shutil.copy(sys.argv[1], path)
    child = os.fork()
    if not child:
        asyncio.run(main(path, step))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(os.waitstatus_to_exitcode(status))
"""


async def test_a_process_killed_between_insert_and_commit_leaves_nothing(tmp_path: Path) -> None:
    """P1: kill it after the first, second, third… statement; what was not acknowledged is not there."""
    path = tmp_path / "ledger.db"
    async with Database(f"sqlite:///{path}") as database:
        await database.migrate()
    done = subprocess.run(  # noqa: ASYNC221 (nothing else runs)
        [sys.executable, "-c", PROGRAM, str(path)], check=False, capture_output=True, text=True
    )
    *killed, last = map(int, done.stdout.split())
    assert (set(killed), last) == ({-signal.SIGKILL}, 0), done.stderr
    assert len(killed) >= 3
    for step in range(1, len(killed) + 1):
        assert contents(tmp_path / f"ledger.db.{step}")["usage"] == []
    assert len(contents(tmp_path / f"ledger.db.{len(killed) + 1}")["usage"]) == 1000
