"""A ledger that cannot write is not ready, serves what can be read, and heals by itself."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import time
from contextlib import asynccontextmanager, closing, contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
from hxp_ledger import Database, DatabaseUnavailableError, KeyStore, LedgerService, LedgerSettings, UsageStore
from hxp_ledger.testing import batch, usage
from hxp_services_base import Identity
from hxp_services_base.testing import hosted
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from hxp_services_base.testing import Running

pytestmark = pytest.mark.anyio

BATCHES = "/v1/usage/batches"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def ledger(url: str, tmp_path: Path, *, profile: str = "production") -> AsyncIterator[Running[LedgerService]]:
    identity = Identity("ledger", state_dir=tmp_path / ".hxp", token="t", profile=profile)
    async with hosted(LedgerService(), LedgerSettings.model_validate({"url": url}), identity=identity) as running:
        yield running


@contextmanager
def another_writer(url: str) -> Iterator[None]:
    """Hold the write lock of a SQLite file, as another program may."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def until_readiness_is(running: Running[LedgerService], status: int) -> str:
    """Wait for it; the reason."""
    async with asyncio.timeout(20):
        while True:
            async with running.client.get(f"{running.operations_url}/readyz") as response:
                if response.status == status:
                    return str((await response.json()).get("reason"))
            await asyncio.sleep(0.02)


def forget_the_proof(running: Running[LedgerService]) -> None:
    """Have the last write that succeeded be too long ago, as after some seconds without one."""
    running.service._keys._database._proved_at = float("-inf")


async def test_a_ledger_that_waits_for_another_writer_is_not_ready_and_heals(sqlite_url: str, tmp_path: Path) -> None:
    async with ledger(sqlite_url, tmp_path) as running:
        with another_writer(sqlite_url):
            forget_the_proof(running)
            assert "database takes no writes" in await until_readiness_is(running, 503)
            async with running.client.get("/v1/keys/snapshot") as response:
                assert response.status == 200
        assert await until_readiness_is(running, 200) == "None"


async def test_a_disk_that_is_full_takes_readiness_away_until_it_has_room(sqlite_url: str, tmp_path: Path) -> None:
    """D1: the limit on the size of files is a disk that is full, for this process alone."""
    async with ledger(sqlite_url, tmp_path) as running, aiohttp.ClientSession(running.url) as client:
        body = batch(*(usage(number) for number in range(500))).model_dump_json()
        headers = {"Authorization": "Bearer t", "Content-Type": "application/json"}
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            async with client.post(BATCHES, data=body, headers=headers) as response:
                assert response.status == 503
            assert "database takes no writes" in await until_readiness_is(running, 503)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await until_readiness_is(running, 200)
        async with client.post(BATCHES, data=body, headers=headers) as response:
            assert (await response.json())["accepted"] == 500


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(url: str, clock: Clock) -> AsyncIterator[Database]:
    async with Database(url, clock=clock) as opened:
        await opened.migrate()
        yield opened


async def test_while_writes_succeed_nothing_is_probed(database: Database, clock: Clock) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    for _ in range(20):
        await database.require_writes()
        clock.now += 0.5
        await UsageStore(database).ingest(batch(usage()))
    assert not [statement for statement in statements if "hxp_probe" in statement or "lock_timeout" in statement]
    clock.now += 9.0
    statements.clear()
    await database.require_writes()
    assert statements == []
    clock.now += 2.0
    await database.require_writes()
    assert statements
    statements.clear()
    await database.require_writes()
    assert statements == []  # the probe is a proof, too


async def test_a_probe_leaves_nothing_and_spoils_no_connection(database: Database, clock: Clock) -> None:
    before = await KeyStore(database).snapshot()
    for _ in range(30):  # more than the pool has connections
        clock.now += 11.0
        await database.require_writes()
    assert await KeyStore(database).snapshot() == before
    await UsageStore(database).ingest(batch(usage()))
    async with database.reading() as connection:
        names = await connection.run_sync(lambda sync: sync.dialect.get_table_names(sync))
        assert "hxp_probe" not in names
        if database.dialect == "sqlite":
            timeout = (await connection.exec_driver_sql("PRAGMA busy_timeout")).scalar_one()
            assert timeout == 30_000


async def test_a_write_that_failed_is_followed_by_a_probe(database: Database) -> None:
    await database.require_writes()
    with pytest.raises(DatabaseUnavailableError):
        async with database.writing() as connection:
            await connection.exec_driver_sql("SELECT nonsense FROM nowhere")
    probed: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: Any) -> None:
        probed.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    await database.require_writes()
    assert probed


async def test_a_probe_waits_a_second_at_the_most_for_another_writer(
    sqlite_url: str, postgres_database: str, clock: Clock
) -> None:
    async with Database(sqlite_url, clock=clock) as database:
        await database.migrate()
        clock.now += 11.0
        with another_writer(sqlite_url):
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailableError, match=r"takes no writes: .*locked"):
                await database.require_writes()
            assert time.monotonic() - started < 1.9
    async with Database(postgres_database, clock=clock) as database:
        await database.migrate()
        clock.now += 11.0
        other = await asyncpg.connect(postgres_database)
        try:
            async with other.transaction():
                await other.execute("UPDATE keys_version SET version = version")
                started = time.monotonic()
                with pytest.raises(DatabaseUnavailableError, match=r"takes no writes: .*lock timeout"):
                    await database.require_writes()
                assert time.monotonic() - started < 1.9
        finally:
            await other.close()
        await database.require_writes()


@pytest.mark.parametrize("profile", ["production", "development"])
async def test_a_ledger_starts_beside_another_writer_and_serves_the_keys(
    sqlite_url: str, tmp_path: Path, profile: str
) -> None:
    async with Database(sqlite_url) as database:
        await database.migrate()
    with another_writer(sqlite_url):
        started = time.monotonic()
        async with ledger(sqlite_url, tmp_path, profile=profile) as running:
            assert time.monotonic() - started < 5
            async with running.client.get("/v1/keys/snapshot") as response:
                assert response.status == 200
            await until_readiness_is(running, 503)


async def test_the_keys_are_served_although_their_reader_cannot_be_noted(sqlite_url: str, tmp_path: Path) -> None:
    async with ledger(sqlite_url, tmp_path) as running:
        path = "/v1/keys/snapshot?since=0&reader=gateway-0"
        with another_writer(sqlite_url):
            started = time.monotonic()
            for _ in range(3):
                async with running.client.get(path) as response:
                    assert response.status == 200
            assert time.monotonic() - started < 3
