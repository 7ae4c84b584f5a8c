"""Keys: confirmed by the ledger, for a time; a new one works at once, a revoked one dies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hxp_logging
import pytest
from hxp_gateway._keys import KeyCache, KeyCacheOptions
from hxp_gateway._ledger import LedgerError
from hxp_logging.testing import capture
from hxp_schemas import KeyRecord, KeySnapshot
from hxp_services_base import Context, Identity, UpstreamOptions, UpstreamPool, new_key
from hxp_services_base.chassis import ServiceError
from hxp_testing.upstream import Reply, ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hxp_testing.upstream import Behaviour, Request

pytestmark = pytest.mark.anyio


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class PagedLedger:
    """Answers as the ledger does: what has changed since a version, in pages."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.changes: list[KeyRecord] = []
        self.page = 2
        self.asked: list[str] = []
        self.answer_with: Behaviour | None = None

    def make(self, *, development: bool = False) -> str:
        made = new_key(self.book.pepper)
        known = {"id": made.id, "name": "t", "digest": made.digest, "created_at": "2026-01-01T00:00:00Z"}
        self.changes.append(KeyRecord.model_validate({**known, "development": development}))
        return made.plaintext

    def revoke(self, index: int) -> None:
        key = self.changes[index]
        self.changes.append(key.model_copy(update={"revoked_at": key.created_at}))

    def answer(self, request: Request) -> Behaviour:
        self.asked.append(request.path)
        if self.answer_with is not None:
            return self.answer_with
        since = int(request.path.partition("since=")[2].partition("&")[0])
        changed = self.changes[max(0, since) :][: self.page]
        version = max(0, since) + len(changed)
        if since > len(self.changes):
            since, changed, version = -1, self.changes[: self.page], min(self.page, len(self.changes))
        snapshot = KeySnapshot(version=version, keys=changed, more=version < len(self.changes), full=since < 0)
        return Reply(200, {}, snapshot.model_dump_json().encode())


@pytest.fixture
def ledger(book: Any) -> PagedLedger:
    return PagedLedger(book)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keys(ledger: PagedLedger, clock: Clock) -> AsyncIterator[KeyCache]:
    log = hxp_logging.get_logger("test")
    async with ScriptedUpstream(ledger.answer) as served:
        pool = UpstreamPool(UpstreamOptions("ledger", served.url))
        async with pool.open(Context(Identity("gateway"), log=log)):
            options = KeyCacheOptions(accept_development=False, instance="gateway-0", max_age=300.0)
            yield KeyCache(pool, ledger.book.pepper, options, log=log, clock=clock)


async def test_keys_come_in_pages_and_then_only_what_changed(ledger: PagedLedger, keys: KeyCache) -> None:
    plain = [ledger.make() for _ in range(5)]
    await keys.refresh()
    assert (keys.usable, len(ledger.asked)) == (5, 3)
    assert [(await keys.check(key.encode())).name for key in plain] == ["t"] * 5
    ledger.revoke(0)
    await keys.refresh()
    assert ledger.asked[-1].startswith("/v1/keys/snapshot?since=5&")
    assert "reader=gateway-0" in ledger.asked[-1]
    assert keys.usable == 4  # a revoked key leaves the memory
    with pytest.raises(ServiceError) as refused:
        await keys.check(plain[0].encode())
    assert refused.value.info.status == 401


async def test_development_keys_do_not_count_where_they_are_refused(ledger: PagedLedger, keys: KeyCache) -> None:
    ledger.make(development=True)
    await keys.refresh()
    assert keys.usable == 0


async def test_a_new_key_works_at_once(ledger: PagedLedger, keys: KeyCache) -> None:
    """A15."""
    await keys.refresh()
    assert (await keys.check(ledger.make().encode())).name == "t"


async def test_strangers_cannot_make_the_gateway_ask_more_than_its_rate(
    ledger: PagedLedger, keys: KeyCache, clock: Clock
) -> None:
    await keys.refresh()
    before = len(ledger.asked)
    for _ in range(50):
        stranger = new_key(ledger.book.pepper).plaintext.encode()
        with pytest.raises(ServiceError):
            await keys.check(stranger)
    assert len(ledger.asked) == before + 1
    for odd in (None, b"", b"hxp_short", b"x" * 6000):
        clock.now += 10.0
        with pytest.raises(ServiceError):
            await keys.check(odd)
    assert len(ledger.asked) == before + 1  # what can be no key is no question


async def test_keys_that_nobody_confirmed_for_too_long_open_nothing(
    ledger: PagedLedger, keys: KeyCache, clock: Clock
) -> None:
    """A15: a revoked key cannot live on behind a ledger that hangs."""
    key = ledger.make().encode()
    await keys.refresh()
    ledger.answer_with = Reply(503, {}, b"{}")
    clock.now += 299.0
    assert (await keys.check(key)).name == "t"
    clock.now += 2.0
    with pytest.raises(ServiceError) as refused:
        await keys.check(key)
    assert (refused.value.info.status, refused.value.info.code) == (503, "keys_unavailable")
    _, age = keys.checks()
    assert age.critical
    assert "so all are refused" in str(await age.run())
    ledger.answer_with = None
    await keys.refresh()
    assert (await keys.check(key)).name == "t"
    assert await age.run() is None


async def test_settings_may_keep_old_keys_in_force(book: Any, clock: Clock) -> None:
    pool = UpstreamPool(UpstreamOptions("ledger", "http://127.0.0.1:1"))
    options = KeyCacheOptions(accept_development=True, fail_open=True)
    keys = KeyCache(pool, book.pepper, options, log=hxp_logging.get_logger("test"), clock=clock)
    made = new_key(book.pepper)
    record = {"id": made.id, "name": "t", "digest": made.digest, "created_at": "2026-01-01T00:00:00Z"}
    keys.verifier.apply(KeySnapshot(version=1, keys=[KeyRecord.model_validate(record)]))
    assert (await keys.check(made.plaintext.encode())).id == made.id
    assert await keys.checks()[1].run() is None


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"version":"x"}', b""])
async def test_an_answer_that_holds_no_keys_is_a_failure_and_nothing_more(
    ledger: PagedLedger, keys: KeyCache, answer: bytes
) -> None:
    key = ledger.make().encode()
    await keys.refresh()
    ledger.answer_with = Reply(200, {}, answer)
    with pytest.raises(LedgerError, match="holds no keys"):
        await keys.refresh()
    assert (await keys.check(key)).name == "t"
    assert "the ledger is away" in str(await keys.checks()[0].run())


async def test_following_outlives_every_failure_and_reports_it_once(
    ledger: PagedLedger, keys: KeyCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keys.refresh()
    real = keys._read_page
    failures: list[BaseException] = [RuntimeError("a bug"), LedgerError("away"), TypeError("another bug")]

    async def failing(since: int) -> KeySnapshot:
        if failures:
            raise failures.pop(0)
        return await real(since)

    monkeypatch.setattr(keys, "_read_page", failing)
    key = ledger.make().encode()
    with capture() as lines:
        keeper = asyncio.create_task(keys.follow(0.001))
        async with asyncio.timeout(5):
            while not keys.usable:
                await asyncio.sleep(0.001)
        keeper.cancel()
    assert (await keys.check(key)).name == "t"
    told = [line["body"] for line in lines]
    assert told == ["keys cannot be read", "keys read"]


async def test_a_ledger_restored_from_a_copy_is_read_anew(ledger: PagedLedger, keys: KeyCache) -> None:
    lost = [ledger.make().encode() for _ in range(5)]
    await keys.refresh()
    ledger.changes.clear()
    kept = ledger.make().encode()
    await keys.refresh()
    assert (keys.usable, (await keys.check(kept)).name) == (1, "t")
    for key in lost:
        with pytest.raises(ServiceError):
            await keys.check(key)
