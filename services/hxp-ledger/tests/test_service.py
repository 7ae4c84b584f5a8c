"""The running service, over real sockets: the same suite on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
from hxp_ledger import LedgerService, LedgerSettings
from hxp_ledger._routes import Readers
from hxp_ledger.errors import DatabaseUnavailableError
from hxp_ledger.testing import batch, usage
from hxp_schemas import KeySnapshot, new_id
from hxp_services_base import Identity, KeyVerifier, Pepper, StartError
from hxp_services_base.testing import hosted
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from hxp_services_base.testing import Running

pytestmark = pytest.mark.anyio

SNAPSHOT = "/v1/keys/snapshot"
BATCHES = "/v1/usage/batches"
SUMMARY = "/v1/usage/summary"
DIGEST = "0" * 64


@asynccontextmanager
async def ledger(url: str, state_dir: Path, *, profile: str = "development") -> AsyncIterator[Running[LedgerService]]:
    identity = Identity("ledger", instance="ledger-0", state_dir=state_dir, token="t", profile=profile)
    settings = LedgerSettings.model_validate({"url": url})
    async with hosted(LedgerService(), settings, identity=identity) as running:
        yield running


@pytest.fixture
async def running(url: str, tmp_path: Path) -> AsyncIterator[Running[LedgerService]]:
    async with ledger(url, tmp_path / ".hxp", profile="production") as found:
        yield found


async def get(running: Running[LedgerService], path: str, **query: str) -> Any:
    async with running.client.get(path, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def post(running: Running[LedgerService], body: bytes | str | io.BytesIO, **headers: str) -> tuple[int, Any]:
    known = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with running.client.post(BATCHES, data=body, headers=known) as response:
        return response.status, await response.json()


async def test_the_snapshot_has_every_key_and_a_version_that_grows(running: Running[LedgerService]) -> None:
    keys = running.service._keys
    first = KeySnapshot.model_validate(await get(running, SNAPSHOT))
    assert first.keys == []
    made = await keys.create("a", DIGEST, key_id=new_id("key"))
    second = KeySnapshot.model_validate(await get(running, SNAPSHOT))
    assert (second.keys, second.version > first.version) == ([made], True)
    await keys.revoke(made.id)
    third = KeySnapshot.model_validate(await get(running, SNAPSHOT))
    assert third.keys[0].revoked_at is not None
    assert third.version > second.version


async def test_one_who_knows_the_version_gets_no_keys_again(running: Running[LedgerService]) -> None:
    made = await running.service._keys.create("a", DIGEST, key_id=new_id("key"))
    version = (await get(running, SNAPSHOT))["version"]
    assert await get(running, SNAPSHOT, since=str(version)) == {"version": version, "keys": []}
    for other in (-1, version - 1, version + 1):  # a higher one: the ledger was restored from a copy
        found = await get(running, SNAPSHOT, since=str(other))
        assert (found["version"], [key["id"] for key in found["keys"]]) == (version, [made.id])


async def test_keys_come_in_pages_and_a_reader_is_noted_with_what_it_has(running: Running[LedgerService]) -> None:
    keys = running.service._keys
    for number in range(3):
        await keys.create(str(number), DIGEST, key_id=new_id("key"))
    first = await get(running, SNAPSHOT, since="-1", limit="2", reader="gateway-0")
    assert (len(first["keys"]), first["version"], first["more"], first["full"]) == (2, 2, True, True)
    assert await keys.readers(datetime.min.replace(tzinfo=UTC)) == []  # it has nothing yet
    second = await get(running, SNAPSHOT, since="2", limit="2", reader="gateway-0")
    assert (len(second["keys"]), second["version"], "more" in second) == (1, 3, False)
    await get(running, SNAPSHOT, since="3", reader="gateway-0")
    await get(running, SNAPSHOT, since=str(2**80), reader="gateway-1")
    found = await keys.readers(datetime.min.replace(tzinfo=UTC))
    assert [(reader.name, reader.version) for reader in found] == [("gateway-0", 3), ("gateway-1", 2**63 - 1)]


class CountingKeys:
    """Counts what is noted, and is away when it is told to be."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, int]] = []
        self.away = False

    async def note_reader(self, name: str, version: int) -> None:
        if self.away:
            raise DatabaseUnavailableError("away")
        self.noted.append((name, version))


async def test_a_reader_is_written_down_when_it_has_moved_and_now_and_then() -> None:
    store, time = CountingKeys(), [0.0]
    readers = Readers(lambda: store, clock=lambda: time[0])  # type: ignore[arg-type, return-value]
    for now, version in ((0.0, 1), (1.0, 1), (2.0, 2), (21.0, 2), (22.5, 2)):
        time[0] = now
        await readers.note("gateway-0", version)
    assert store.noted == [("gateway-0", 1), ("gateway-0", 2), ("gateway-0", 2)]
    store.away = True
    await readers.note("gateway-0", 3)  # a database that is away keeps nobody from the keys
    store.away = False
    await readers.note("gateway-0", 3)
    assert store.noted[-1] == ("gateway-0", 3)
    for number in range(2_000):
        await readers.note(f"stranger-{number}", 1)
    assert len(readers._noted) <= 1024


async def test_a_version_that_is_none_is_a_400(running: Running[LedgerService]) -> None:
    for since in ("x", "1.5", "9" * 5000, ""):
        async with running.client.get(SNAPSHOT, params={"since": since}) as response:
            error = (await response.json())["error"]
            assert (response.status, error["param"], error["code"]) == (400, "since", "invalid_value")


async def test_a_batch_is_counted_once_however_often_it_comes(running: Running[LedgerService]) -> None:
    """P8."""
    body = batch(usage(1), usage(2)).model_dump_json()
    assert await post(running, body) == (200, {"accepted": 2, "duplicates": 0})
    assert await post(running, body) == (200, {"accepted": 0, "duplicates": 2})
    more = batch(usage(2), usage(3), usage(3)).model_dump_json()
    assert await post(running, more) == (200, {"accepted": 1, "duplicates": 2})
    (total,) = await get(running, SUMMARY)
    assert (total["group"], total["requests"]) == ("key_a", 3)


async def test_the_same_batches_from_many_at_once_are_counted_once(running: Running[LedgerService]) -> None:
    """X5."""
    bodies = [batch(*(usage(number) for number in order)).model_dump_json() for order in (range(50), range(49, -1, -1))]
    answers = await asyncio.gather(*(post(running, bodies[turn % 2]) for turn in range(10)))
    assert {status for status, _ in answers} == {200}
    assert sum(receipt["accepted"] for _, receipt in answers) == 50
    assert sum(receipt["duplicates"] for _, receipt in answers) == 450
    (total,) = await get(running, SUMMARY)
    assert (total["requests"], total["completion_tokens"]) == (50, 250)


def changed(**fields: Any) -> str:
    record = usage().model_dump(mode="json") | fields
    return json.dumps({"records": [record]})


MALFORMED: list[tuple[bytes | str, str, str | None]] = [
    ("", "invalid_json", None),
    ('{"records":[', "invalid_json", None),
    ("null", "invalid_value", None),
    ("7", "invalid_value", None),
    (b'{"records":"\xff"}', "invalid_json", None),
    ("[" * 100_000, "invalid_json", None),
    ("{}", "missing_required_parameter", "records"),
    ('{"records":[]}', "invalid_value", "records"),
    ('{"records":{}}', "invalid_value", "records"),
    ('{"records":[7]}', "invalid_value", "records.0"),
    (changed(request_id="a b"), "invalid_value", "records.0.request_id"),
    (changed(request_id=7), "invalid_value", "records.0.request_id"),
    (changed(model="x" * 257), "invalid_value", "records.0.model"),
    (changed(status="fine"), "invalid_value", "records.0.status"),
    (changed(prompt_tokens=-1), "invalid_value", "records.0.prompt_tokens"),
    (changed(completion_tokens=10**18), "invalid_value", "records.0.completion_tokens"),
    (changed(completion_tokens="x"), "invalid_value", "records.0.completion_tokens"),
    (changed(http_status=99), "invalid_value", "records.0.http_status"),
    (changed(started_at="2026-01-01T00:00:00"), "invalid_value", "records.0.started_at"),
    (changed(started_at="0001-01-01T00:00:00+05:00"), "invalid_value", "records.0.started_at"),
    (changed(stream="perhaps"), "invalid_value", "records.0.stream"),
]


async def test_a_malformed_batch_is_refused_whole_and_the_field_is_named(running: Running[LedgerService]) -> None:
    """B1, B2, B4, B5."""
    for body, code, param in MALFORMED:
        status, answer = await post(running, body)
        error = answer["error"]
        assert (status, error["code"], error["param"]) == (400, code, param), body[:80]
        assert set(error) == {"message", "type", "param", "code"}
    assert await get(running, SUMMARY) == []


async def test_a_batch_has_a_thousand_records_at_the_most(running: Running[LedgerService]) -> None:
    record = usage().model_dump(mode="json")
    status, answer = await post(running, json.dumps({"records": [record] * 1001}))
    assert (status, answer["error"]["param"]) == (400, "records")


async def test_a_body_that_is_too_large_or_no_json_is_refused(running: Running[LedgerService]) -> None:
    """B6, R2."""
    status, answer = await post(running, io.BytesIO(b" " * (4 * 1024 * 1024 + 1)))
    assert (status, answer["error"]["code"]) == (413, "request_too_large")
    for kind in ("application/x-www-form-urlencoded", "text/xml", "multipart/form-data; boundary=x"):
        status, answer = await post(running, b"a=b", Content_Type=kind)
        assert (status, answer["error"]["code"]) == (415, "unsupported_media_type")


async def test_text_that_a_database_cannot_store_is_stored_all_the_same(running: Running[LedgerService]) -> None:
    """B2: PostgreSQL knows no NUL."""
    assert (await post(running, changed(model="a\x00b")))[0] == 200
    assert (await get(running, SUMMARY, group_by="model"))[0]["group"] == "a\ufffdb"


async def test_usage_is_summed_up_by_key_or_model_within_a_time(running: Running[LedgerService]) -> None:
    records = [
        usage(0),
        usage(1, model="other", status="failed"),
        usage(2, key_id=None, status="cancelled"),
        usage(3, key_id="key_b"),
    ]
    await post(running, batch(*records).model_dump_json())
    by_key = await get(running, SUMMARY)
    assert [(entry["group"], entry["requests"], entry["failed"]) for entry in by_key] == [
        (None, 1, 1),
        ("key_a", 2, 1),
        ("key_b", 1, 0),
    ]
    assert (by_key[1]["prompt_tokens"], by_key[1]["completion_tokens"]) == (6, 10)
    by_model = await get(running, SUMMARY, group_by="model")
    assert [(entry["group"], entry["requests"]) for entry in by_model] == [("hxp-tiny", 3), ("other", 1)]
    since = usage(1).started_at.isoformat()
    until = usage(3).started_at.isoformat()
    assert [entry["group"] for entry in await get(running, SUMMARY, since=since, until=until)] == [None, "key_a"]
    assert await get(running, SUMMARY, since=until, until=since) == []


async def test_a_question_that_makes_no_sense_is_a_400_that_names_it(running: Running[LedgerService]) -> None:
    for name, value in (
        ("since", "yesterday"),
        ("since", "2026-01-01T00:00:00"),
        ("since", "0001-01-01T00:00:00+05:00"),
        ("until", "9999-12-31T23:59:59-05:00"),
        ("until", "2026-13-01T00:00:00Z"),
        ("until", "1e999"),
        ("group_by", "colour"),
        ("group_by", "key_id; DROP TABLE usage"),
    ):
        async with running.client.get(SUMMARY, params={name: value}) as response:
            error = (await response.json())["error"]
            assert (response.status, error["param"], error["code"]) == (400, name, "invalid_value"), value


async def test_strangers_are_let_in_nowhere(running: Running[LedgerService]) -> None:
    """A1, A2, A3."""
    async with aiohttp.ClientSession(running.url) as stranger:
        for value in (None, "", "Bearer", "Bearer x", "Basic t", "Bearer t' OR 1=1 --", "Bearer tt"):
            headers = {} if value is None else {"Authorization": value}
            for method, path in (("GET", SNAPSHOT), ("POST", BATCHES), ("GET", SUMMARY), ("GET", "/v1/nothing")):
                async with stranger.request(method, path, headers=headers, data=b"{") as response:
                    assert (response.status, "WWW-Authenticate" in response.headers) == (401, True)


async def test_other_paths_and_methods_are_told_as_such(running: Running[LedgerService]) -> None:
    """B9."""
    async with running.client.get("/v1/keys") as response:
        assert response.status == 404
    async with running.client.delete(SNAPSHOT) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_metrics_count_what_became_of_records(running: Running[LedgerService]) -> None:
    body = batch(usage(1), usage(2), usage(2)).model_dump_json()
    await post(running, body)
    await post(running, body)
    async with running.client.get(f"{running.operations_url}/metrics") as response:
        text = await response.text()
    assert 'hxp_ledger_records_total{result="accepted"} 2.0' in text
    assert 'hxp_ledger_records_total{result="duplicate"} 4.0' in text
    assert f'route="{BATCHES}"' in text


@contextmanager
def file_away(path: Path) -> Iterator[None]:
    away = path.with_suffix(".away")
    path.rename(away)
    path.mkdir()
    yield
    path.rmdir()
    away.rename(path)


def disconnected(*_: object) -> None:
    """Have the pool take its connection for dead, and make a new one."""
    raise DisconnectionError


@asynccontextmanager
async def database_away(url: str, running: Running[LedgerService], admin_url: str) -> AsyncIterator[None]:
    """Take the database away behind the service's back, for the time of a block."""
    if url.startswith("sqlite"):
        pool = running.service._keys._database.engine.sync_engine.pool
        event.listen(pool, "checkout", disconnected)
        with file_away(Path(url.removeprefix("sqlite:///"))):
            yield
        event.remove(pool, "checkout", disconnected)
        return
    name = url.partition("?")[0].rpartition("/")[2]
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        yield
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    finally:
        await connection.close()


async def until_readiness_is(running: Running[LedgerService], status: int, *, reason: str = "") -> None:
    """Wait for it; on a busy machine a check may first say that it had no answer in time."""
    async with asyncio.timeout(20):
        while True:
            async with running.client.get(f"{running.operations_url}/readyz") as response:
                if response.status == status and (await response.json()).get("reason", "").startswith(reason):
                    return
            await asyncio.sleep(0.02)


async def test_while_the_database_is_away_all_is_503_with_a_reason_and_then_it_goes_on(
    running: Running[LedgerService], url: str, postgres_url: str
) -> None:
    body = batch(usage(1)).model_dump_json()
    assert (await post(running, body))[0] == 200
    async with database_away(url, running, postgres_url):
        await until_readiness_is(running, 503, reason="database: DatabaseUnavailableError: <Database ")
        for method, path in (
            ("GET", SNAPSHOT),
            ("GET", f"{SNAPSHOT}?since=3"),
            ("POST", BATCHES),
            ("GET", SUMMARY),
        ):
            headers = {"Content-Type": "application/json"}
            async with running.client.request(method, path, data=body, headers=headers) as response:
                error = (await response.json())["error"]
                assert (response.status, error["code"]) == (503, "database_unavailable")
                assert response.headers["Retry-After"] == "1"
                assert response.headers["x-should-retry"] == "true"
                assert "sqlite" not in error["message"]
        async with running.client.get("/livez") as response:
            assert response.status == 200
        async with running.client.get(SNAPSHOT, params={"since": "x"}) as response:
            assert response.status == 400
    await until_readiness_is(running, 200)
    assert await post(running, body) == (200, {"accepted": 0, "duplicates": 1})


class TestTheDevelopmentKey:
    async def test_is_made_once_for_its_owner_alone_and_opens_the_door(self, url: str, tmp_path: Path) -> None:
        state = tmp_path / "deep" / ".hxp"
        async with ledger(url, state) as running:
            key = (state / "dev-key").read_bytes().strip()
            assert (state / "dev-key").stat().st_mode & 0o777 == 0o600
            snapshot = KeySnapshot.model_validate(await get(running, SNAPSHOT))
        record = KeyVerifier(Pepper.load_or_create(state / "pepper"), snapshot).verify(key)
        assert record is not None
        assert (record.development, record.name) == (True, "development")
        async with ledger(url, state) as running:
            again = KeySnapshot.model_validate(await get(running, SNAPSHOT))
        assert again == snapshot
        assert (state / "dev-key").read_bytes().strip() == key

    @pytest.mark.parametrize("way", ["removed", "emptied", "unknown", "revoked"])
    async def test_is_made_again_when_it_no_longer_opens_it(self, url: str, tmp_path: Path, way: str) -> None:
        state = tmp_path / ".hxp"
        file = state / "dev-key"
        async with ledger(url, state) as running:
            old = file.read_bytes().strip()
            if way == "revoked":
                (record,) = await running.service._keys.list()
                await running.service._keys.revoke(record.id)
        if way == "removed":
            file.unlink()
        elif way != "revoked":
            file.write_bytes(b"hxp_unknown\n" if way == "unknown" else b"")
            file.chmod(0o644)
        async with ledger(url, state) as running:
            snapshot = KeySnapshot.model_validate(await get(running, SNAPSHOT))
        new = file.read_bytes().strip()
        assert new != old
        assert KeyVerifier(Pepper.load_or_create(state / "pepper"), snapshot).verify(new) is not None
        assert file.stat().st_mode & 0o777 == 0o600
        assert {path.name for path in state.iterdir() if "key" in path.name} == {"dev-key"}

    async def test_a_file_that_others_could_read_is_closed_to_them(self, url: str, tmp_path: Path) -> None:
        state = tmp_path / ".hxp"
        async with ledger(url, state):
            (state / "dev-key").chmod(0o644)
        async with ledger(url, state):
            assert (state / "dev-key").stat().st_mode & 0o777 == 0o600

    async def test_a_disk_that_is_full_keeps_the_ledger_from_nothing_and_leaves_no_key_that_nobody_has(
        self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state = tmp_path / ".hxp"

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            Pepper.load_or_create(state / "pepper")
            patched.setattr(Path, "replace", full)
            async with ledger(url, state) as running:
                assert (await get(running, SNAPSHOT))["keys"] == []
        assert [path.name for path in state.iterdir() if "key" in path.name] == []

    async def test_is_not_made_in_another_profile(self, running: Running[LedgerService], tmp_path: Path) -> None:
        assert (await get(running, SNAPSHOT))["keys"] == []
        assert not (tmp_path / ".hxp" / "dev-key").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://user:canary@h/db", "'mysql' is not supported"),
        ("postgresql://user:canary@127.0.0.1:1/db", "failed"),
        ("sqlite:////proc/nothing/ledger.db", "cannot be opened"),
    ],
)
async def test_a_database_that_will_not_do_is_told_at_start_without_its_password(
    url: str, message: str, tmp_path: Path
) -> None:
    """C7."""
    with pytest.raises(StartError, match=message) as caught:
        async with ledger(url, tmp_path):
            pass
    assert "canary" not in str(caught.value)


async def test_a_file_that_lost_its_tables_is_not_ready(sqlite_url: str, tmp_path: Path) -> None:
    async with ledger(sqlite_url, tmp_path / ".hxp", profile="production") as running:
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
            connection.execute("DROP TABLE keys_version")
        await until_readiness_is(running, 503, reason="database")
