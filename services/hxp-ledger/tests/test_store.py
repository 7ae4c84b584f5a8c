"""Keys, usage and audit: one suite, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hxp_ledger import AuditLog, Database, KeyNotFoundError, KeyStore, MalformedCursorError, UsageStore, UsageSummary
from hxp_ledger.testing import NOW, batch, usage
from hxp_schemas import KeySnapshot, UsageReceipt, new_id
from hxp_services_base import KeyVerifier, Pepper, new_key
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from hxp_schemas import UsageRecord

pytestmark = pytest.mark.anyio

DIGEST = "0" * 64


@pytest.fixture
def keys(database: Database) -> KeyStore:
    times = iter(NOW + timedelta(minutes=minute) for minute in range(100))
    return KeyStore(database, clock=lambda: next(times))


@pytest.fixture
def store(database: Database) -> UsageStore:
    return UsageStore(database)


async def all_records(store: UsageStore, limit: int = 100) -> list[UsageRecord]:
    records, cursor = list["UsageRecord"](), None
    while True:
        page = await store.page(cursor, limit)
        records += page.records
        cursor = page.cursor
        if cursor is None:
            return records


class TestKeys:
    async def test_a_key_is_stored_by_its_digest(self, keys: KeyStore) -> None:
        """A6."""
        key_id = new_id("key")
        made = await keys.create("laptop", DIGEST, key_id=key_id, development=True)
        assert (made.id, made.name, made.digest, made.development) == (key_id, "laptop", DIGEST, True)
        assert (made.created_at, made.revoked_at) == (NOW, None)
        assert await keys.list() == [made]

    async def test_every_change_raises_the_version(self, keys: KeyStore) -> None:
        assert await keys.snapshot() == KeySnapshot(version=0, keys=[])
        first = await keys.create("a", DIGEST, key_id=new_id("key"))
        second = await keys.create("b", DIGEST, key_id=new_id("key"))
        assert await keys.version() == 2
        revoked = await keys.revoke(first.id)
        assert revoked.revoked_at == NOW + timedelta(minutes=2)
        snapshot = await keys.snapshot()
        assert snapshot.version == 3
        assert sorted(snapshot.keys, key=lambda key: key.name) == [revoked, second]

    async def test_changes_come_in_pages_that_leave_nothing_out(self, keys: KeyStore) -> None:
        made = [await keys.create(str(number), DIGEST, key_id=new_id("key")) for number in range(5)]
        first = await keys.changes(-1, 2)
        assert ([key.name for key in first.keys], first.version, first.more, first.full) == (["0", "1"], 2, True, True)
        second = await keys.changes(2, 2)
        third = await keys.changes(4, 2)
        assert [key.name for key in [*second.keys, *third.keys]] == ["2", "3", "4"]
        assert (second.more, third.more, third.version, third.full) == (True, False, 5, False)
        revoked = await keys.revoke(made[0].id)
        assert await keys.changes(5, 2) == KeySnapshot(version=6, keys=[revoked])
        assert await keys.changes(6, 2) == KeySnapshot(version=6, keys=[])

    async def test_a_reader_that_begins_is_not_given_revoked_keys(self, keys: KeyStore) -> None:
        first, second = [await keys.create(name, DIGEST, key_id=new_id("key")) for name in "ab"]
        await keys.revoke(first.id)
        for since in (-1, 99):  # 99: the ledger was restored from a copy
            assert await keys.changes(since, 10) == KeySnapshot(version=3, keys=[second], full=True)

    async def test_a_key_has_the_team_that_it_was_made_for(self, keys: KeyStore) -> None:
        made = await keys.create("a", DIGEST, key_id=new_id("key"), team="search")
        assert (made.team, made.tenant) == ("search", "search")
        (stored,) = await keys.list()
        assert stored == made
        alone = await keys.create("b", DIGEST, key_id=new_id("key"))
        assert alone.tenant == alone.id

    async def test_readers_say_what_they_have_applied(self, keys: KeyStore) -> None:
        await keys.note_reader("gateway-0", 3)
        await keys.note_reader("gateway-1", 2)
        await keys.note_reader("gateway-0", 4)
        found = [(reader.name, reader.version) for reader in await keys.readers(NOW)]
        assert found == [("gateway-0", 4), ("gateway-1", 2)]
        assert await keys.readers(NOW + timedelta(hours=1)) == []

    async def test_a_key_is_revoked_once(self, keys: KeyStore) -> None:
        key = await keys.create("a", DIGEST, key_id=new_id("key"))
        revoked = await keys.revoke(key.id)
        assert await keys.revoke(key.id) == revoked
        assert await keys.version() == 2

    async def test_an_unknown_key_cannot_be_revoked(self, keys: KeyStore) -> None:
        with pytest.raises(KeyNotFoundError, match="there is no key 'nobody'"):
            await keys.revoke("nobody")
        assert await keys.version() == 0

    async def test_two_keys_cannot_have_one_id(self, keys: KeyStore, database: Database) -> None:
        key = await keys.create("a", DIGEST, key_id=new_id("key"))
        with pytest.raises(IntegrityError):
            await keys.create("b", DIGEST, key_id=key.id)
        assert await keys.version() == 1
        assert len(await AuditLog(database).page()) == 1

    async def test_a_revoked_key_is_refused_from_the_next_snapshot_on(self, keys: KeyStore) -> None:
        """A7."""
        pepper = Pepper(bytes(32))
        made = new_key(pepper)
        await keys.create("a", made.digest, key_id=made.id)
        assert KeyVerifier(pepper, await keys.snapshot()).verify(made.plaintext.encode()) is not None
        await keys.revoke(made.id)
        assert KeyVerifier(pepper, await keys.snapshot()).verify(made.plaintext.encode()) is None

    async def test_changes_at_once_are_all_counted(self, database: Database) -> None:
        keys = KeyStore(database)
        ids = [new_id("key") for _ in range(12)]
        await asyncio.gather(*(keys.create("a", DIGEST, key_id=key_id) for key_id in ids))
        await asyncio.gather(*(keys.revoke(key_id) for key_id in ids * 2))
        assert await keys.version() == 24
        assert all(key.revoked_at for key in await keys.list())
        assert len(await AuditLog(database).page()) == 24

    async def test_a_name_that_no_database_takes_is_made_storable(self, keys: KeyStore) -> None:
        """B2, A3."""
        for name in ("nul\x00", "half\ud800pair", "'; DROP TABLE api_keys; --", "日本 🎉"):
            made = await keys.create(name, DIGEST, key_id=new_id("key"))
            assert made.name == name.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
            assert made in await keys.list()


class TestAudit:
    async def test_every_change_tells_who_did_what(self, keys: KeyStore, database: Database) -> None:
        key = await keys.create("laptop", DIGEST, key_id=new_id("key"), actor="alice")
        await keys.revoke(key.id, actor="bob")
        await keys.revoke(key.id, actor="carol")  # changes nothing
        created, revoked = await AuditLog(database).page()
        assert (created.at, created.actor, created.action, created.subject) == (NOW, "alice", "key.create", key.id)
        assert created.detail == {"name": "laptop", "development": False}
        assert (revoked.actor, revoked.action, revoked.subject) == ("bob", "key.revoke", key.id)
        assert DIGEST not in repr([created, revoked])

    async def test_the_log_is_read_in_pages(self, database: Database) -> None:
        keys, log = KeyStore(database), AuditLog(database)
        for _ in range(5):
            await keys.create("a", DIGEST, key_id=new_id("key"))
        first = await log.page(limit=3)
        assert [*first, *(await log.page(first[-1].id))] == await log.page()
        assert len(first) == 3


class TestUsage:
    async def test_a_record_is_read_back_as_it_was_written(self, store: UsageStore) -> None:
        records = [
            usage(1),
            usage(2, key_id=None, http_status=None, finished_at=None, upstream=None, stream=False, status="unknown"),
            usage(3, error_code="upstream_timeout", status="failed", prompt_tokens=(1 << 53) - 1),
        ]
        assert await store.ingest(batch(*records)) == UsageReceipt(accepted=3, duplicates=0)
        assert await all_records(store) == records

    async def test_a_batch_that_comes_twice_counts_once(self, store: UsageStore) -> None:
        """P1, P8."""
        sent = batch(*(usage(number) for number in range(1000)))
        assert await store.ingest(sent) == UsageReceipt(accepted=1000, duplicates=0)
        assert await store.ingest(sent) == UsageReceipt(accepted=0, duplicates=1000)
        assert len(await all_records(store, 300)) == 1000

    async def test_a_record_that_comes_twice_in_a_batch_counts_once(self, store: UsageStore) -> None:
        await store.ingest(batch(usage(1)))
        first, second = usage(2, model="first"), usage(2, model="second")
        receipt = await store.ingest(batch(usage(1), first, second, usage(3), usage(3)))
        assert receipt == UsageReceipt(accepted=2, duplicates=3)
        assert [record.model for record in await all_records(store)] == ["hxp-tiny", "first", "hxp-tiny"]

    async def test_a_double_across_statements_counts_once(self, store: UsageStore) -> None:
        records = [usage(number) for number in range(999)]
        receipt = await store.ingest(batch(*records, usage(500, model="other")))
        assert receipt == UsageReceipt(accepted=999, duplicates=1)

    async def test_two_writers_at_once_double_nothing(self, store: UsageStore, url: str) -> None:
        """P8, X5: the same records in opposite orders, over two connection pools."""
        records = [usage(number) for number in range(600)]
        async with Database(url) as other:
            receipts = await asyncio.gather(
                *(
                    writer.ingest(batch(*order))
                    for writer in (store, UsageStore(other))
                    for order in (records, records[::-1], records[::2])
                )
            )
        assert sum(receipt.accepted for receipt in receipts) == 600
        assert sum(receipt.duplicates for receipt in receipts) == 2 * (600 + 600 + 300) - 600
        assert len(await all_records(store)) == 600

    async def test_times_are_kept_in_utc(self, store: UsageStore) -> None:
        """T3."""
        tokyo = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=9)))
        await store.ingest(batch(usage(1, started_at=tokyo, finished_at=tokyo)))
        (record,) = await all_records(store)
        assert record.started_at == tokyo
        assert record.started_at.tzinfo == UTC
        assert len(await store.summary(tokyo, tokyo + timedelta(seconds=1))) == 1

    async def test_a_text_that_no_database_takes_does_not_stop_the_batch(self, store: UsageStore) -> None:
        """B2."""
        receipt = await store.ingest(batch(usage(1, model="a\x00b"), usage(2, error_code="'; DROP TABLE usage; --")))
        assert receipt.accepted == 2
        assert [record.model for record in await all_records(store)] == ["a\ufffdb", "hxp-tiny"]

    async def test_usage_is_summed_by_key_and_by_model(self, store: UsageStore) -> None:
        await store.ingest(
            batch(
                usage(0),
                usage(1, status="failed", model="big", prompt_tokens=1 << 52),
                usage(2, key_id="key_b", model="big", prompt_tokens=1 << 52),
                usage(3, key_id=None),
                usage(60),
            )
        )
        until = NOW + timedelta(seconds=60)
        assert await store.summary(NOW, until) == [
            UsageSummary(None, requests=1, failed=0, prompt_tokens=3, completion_tokens=5),
            UsageSummary("key_a", requests=2, failed=1, prompt_tokens=(1 << 52) + 3, completion_tokens=10),
            UsageSummary("key_b", requests=1, failed=0, prompt_tokens=1 << 52, completion_tokens=5),
        ]
        assert await store.summary(NOW, until, group_by="model") == [
            UsageSummary("big", requests=2, failed=1, prompt_tokens=1 << 53, completion_tokens=10),
            UsageSummary("hxp-tiny", requests=2, failed=0, prompt_tokens=6, completion_tokens=10),
        ]
        assert await store.summary(until + timedelta(days=1), until + timedelta(days=2)) == []

    async def test_pages_neither_lose_nor_repeat_a_record(self, store: UsageStore) -> None:
        records = [usage(number, started_at=NOW + timedelta(seconds=number // 4)) for number in range(50)]
        await store.ingest(batch(*records[::-1]))
        for limit in (1, 7, 50, 51):
            assert await all_records(store, limit) == records

    async def test_an_empty_ledger_has_one_empty_page(self, store: UsageStore) -> None:
        page = await store.page()
        assert (page.records, page.cursor) == ([], None)

    @pytest.mark.parametrize("cursor", ["", "x", "2026-11-23~a", "2026-11-23T00:00:00+00:00", "~", "x~y"])
    async def test_a_cursor_that_is_not_ours_is_refused(self, store: UsageStore, cursor: str) -> None:
        with pytest.raises(MalformedCursorError):
            await store.page(cursor)


async def test_columns_that_are_not_known_do_no_harm(database: Database) -> None:
    """A newer version may have added some."""
    async with database.writing() as connection:
        for table in ("api_keys", "keys_version", "usage", "audit"):
            await connection.execute(text(f"ALTER TABLE \"{table}\" ADD COLUMN later VARCHAR(20) DEFAULT 'x'"))
    keys, store = KeyStore(database), UsageStore(database)
    key = await keys.create("a", DIGEST, key_id=new_id("key"))
    await keys.revoke(key.id)
    assert (await keys.snapshot()).version == 2
    assert (await store.ingest(batch(usage(1), usage(1)))).accepted == 1
    assert await all_records(store) == [usage(1)]
    assert len(await store.summary(NOW, NOW + timedelta(days=1))) == 1
    assert len(await AuditLog(database).page()) == 2


async def test_fields_of_a_later_schema_do_no_harm(store: UsageStore) -> None:
    record = usage(1).model_copy(update={"later": 1})
    assert (await store.ingest(batch(record))).accepted == 1
