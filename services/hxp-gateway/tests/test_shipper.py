"""Shipping: nothing is lost, nothing stops the others, and whatever goes wrong is tried again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import hxp_logging
import pytest
from hxp_gateway import Journal
from hxp_gateway._ledger import LedgerError
from hxp_gateway._shipper import Shipper
from hxp_logging.testing import capture
from hxp_schemas import UsageRecord
from hxp_services_base import Context, Identity, UpstreamOptions, UpstreamPool
from hxp_testing.upstream import Reply, ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hxp_testing.upstream import Behaviour, Request

pytestmark = pytest.mark.anyio


def record(name: str, **more: Any) -> UsageRecord:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    known = {"request_id": name, "model": "m", "endpoint": "/v1/x", "status": "completed", "started_at": started}
    return UsageRecord.model_validate({**known, **more})


class World:
    """A journal, a scripted ledger, and the shipper between them."""

    def __init__(self, journal: Journal, book: Any, shipper: Shipper, pool: UpstreamPool) -> None:
        self.journal, self.book, self.shipper, self.pool = journal, book, shipper, pool
        self.set_aside = 0

    def put(self, *names: str) -> None:
        for name in names:
            self.journal.intend(record(name))
            self.journal.settle(record(name))


@pytest.fixture
async def world(tmp_path: Path, book: Any) -> AsyncIterator[World]:
    log = hxp_logging.get_logger("test")
    context = Context(Identity("gateway", state_dir=tmp_path), log=log)
    async with ScriptedUpstream(book.answer) as ledger:
        pool = UpstreamPool(UpstreamOptions("ledger", ledger.url))
        async with pool.open(context):
            journal = Journal(tmp_path / "journal")
            made = World(journal, book, Shipper(journal, pool, log=log, on_set_aside=lambda: count(made)), pool)
            yield made
            journal.close()


def count(world: World) -> None:
    world.set_aside += 1


async def test_everything_that_is_settled_arrives_in_batches(world: World) -> None:
    world.put(*(f"r{number}" for number in range(1_200)))
    await world.shipper.ship()
    assert (len(world.book.records), world.book.batches, world.journal.backlog) == (1_200, 3, 0)


@pytest.mark.parametrize("bad", [{"r0"}, {"r9"}, {"r3", "r4"}, {f"r{number}" for number in range(10)}])
async def test_what_the_ledger_refuses_is_set_aside_and_the_others_arrive(world: World, bad: set[str]) -> None:
    world.book.refuses = lambda entry: entry["request_id"] in bad
    world.put(*(f"r{number}" for number in range(10)))
    await world.shipper.ship()
    assert set(world.book.records) == {f"r{number}" for number in range(10)} - bad
    assert (world.set_aside, world.journal.backlog) == (len(bad), 0)
    assert world.journal.quarantine.read_text().count("refused") == len(bad)
    quarantine = world.shipper.checks()[2]
    assert "which are kept in" in str(await quarantine.run())
    world.put("later")
    await world.shipper.ship()
    assert "later" in world.book.records


async def test_a_record_that_no_ledger_can_read_is_set_aside_with_its_place(world: World, tmp_path: Path) -> None:
    """U8."""
    world.put("before")
    (segment,) = (tmp_path / "journal").glob("0*.jsonl")
    lines = segment.read_bytes().replace(b'"before"', b'"odd"').replace(b'"completed"', b'"invented"')
    world.journal.close()
    huge = lines.replace(b'"odd"', b'"huge"').replace(b'"prompt_tokens":0', b'"prompt_tokens":9007199254740992')
    segment.write_bytes(segment.read_bytes() + lines + huge.replace(b"invented", b"completed") + b"not json\n")
    journal = Journal(tmp_path / "journal")
    shipper = Shipper(journal, world.pool, log=hxp_logging.get_logger("test"))
    await shipper.ship()
    assert set(world.book.records) == {"before"}
    kept = journal.quarantine.read_text()
    assert "status: " in kept
    assert "prompt_tokens: " in kept
    assert journal.backlog == 0
    journal.close()


async def test_a_failure_is_reported_once_and_so_is_its_end(world: World) -> None:
    world.put("a")
    world.book.away = True
    with capture() as lines:
        for _ in range(3):
            with pytest.raises(LedgerError, match="answered 503"):
                await world.shipper.ship()
        world.book.away = False
        await world.shipper.ship()
        await world.shipper.ship()
    told = [line["body"] for line in lines]
    assert told == ["usage cannot be shipped", "usage is shipped again"]


async def test_a_keeper_outlives_what_nobody_foresaw(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk, the ledger or a bug may fail at any time; the next round goes on."""
    world.put("a")
    real = world.journal.batch
    failures: list[BaseException] = [OSError(5, "Input/output error"), RuntimeError("a bug"), ValueError("another")]

    def failing(size: int) -> Any:
        if failures:
            raise failures.pop(0)
        return real(size)

    monkeypatch.setattr(world.journal, "batch", failing)
    keeper = asyncio.create_task(world.shipper.follow(0.001))
    async with asyncio.timeout(5):
        while not world.book.records:
            await asyncio.sleep(0.001)
    assert not keeper.done()
    keeper.cancel()


async def test_two_shipments_at_once_send_nothing_twice(world: World) -> None:
    world.put(*(f"r{number}" for number in range(600)))
    await asyncio.gather(world.shipper.ship(), world.shipper.ship())
    assert (world.book.batches, len(world.book.records)) == (2, 600)


async def test_a_ledger_without_keys_or_rights_sets_nothing_aside(world: World) -> None:
    async def refuse(_request: Request) -> Behaviour:
        return Reply(401, {}, b"{}")

    async with ScriptedUpstream(refuse) as stranger:
        pool = UpstreamPool(UpstreamOptions("ledger", stranger.url))
        shipper = Shipper(world.journal, pool, log=hxp_logging.get_logger("test"))
        world.put("a")
        async with pool.open(Context(Identity("gateway"), log=hxp_logging.get_logger("test"))):
            with pytest.raises(LedgerError, match="answered 401"):
                await shipper.ship()
    assert (world.journal.backlog, world.journal.quarantine.exists()) == (1, False)
