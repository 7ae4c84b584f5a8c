"""A gateway between a ledger and an upstream that do as they are told, all on real sockets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_gateway import GatewayService, GatewaySettings
from hxp_schemas import KeyRecord, KeySnapshot, UsageRecord
from hxp_services_base import Identity, Pepper, new_key
from hxp_services_base.testing import Running, hosted
from hxp_testing.llm import MockLLM
from hxp_testing.upstream import BlackHole, Reply, ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hxp_testing.upstream import Behaviour, Request

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class LedgerBook:
    """What the scripted ledger knows and has been told: the real one has its own tests, and e2e tests join them."""

    pepper: Pepper
    keys: list[KeyRecord] = field(default_factory=list)
    version: int = 1
    records: dict[str, UsageRecord] = field(default_factory=dict)
    batches: int = 0
    away: bool = False
    hangs: bool = False
    refuses: Callable[[dict[str, Any]], bool] = lambda _record: False
    """Which records it answers with a 400, and all that come with them."""

    def make_key(self, *, development: bool = False) -> str:
        made = new_key(self.pepper)
        self.keys.append(
            KeyRecord.model_validate(
                {"id": made.id, "name": "t", "digest": made.digest, "created_at": NOW, "development": development}
            )
        )
        self.version += 1
        return made.plaintext

    def revoke_all(self) -> None:
        self.keys = [key.model_copy(update={"revoked_at": key.created_at}) for key in self.keys]
        self.version += 1

    def answer(self, request: Request) -> Behaviour:
        if self.hangs:
            return BlackHole()
        if self.away:
            return Reply(503, {}, b'{"error":"away"}')
        if request.path.startswith("/v1/keys/snapshot"):
            return Reply(200, {}, KeySnapshot(version=self.version, keys=self.keys).model_dump_json().encode())
        try:
            sent = orjson.loads(request.body)["records"]
            records = [UsageRecord.model_validate(entry) for entry in sent]
        except ValueError:
            return Reply(400, {}, b'{"error":"not usage"}')
        if any(self.refuses(entry) for entry in sent):
            return Reply(400, {}, b'{"error":"refused"}')
        fresh = [record for record in records if record.request_id not in self.records]
        self.records.update((record.request_id, record) for record in fresh)
        self.batches += 1
        return Reply(200, {}, orjson.dumps({"accepted": len(fresh), "duplicates": len(records) - len(fresh)}))


@dataclass
class World:
    """A running gateway and its surroundings."""

    running: Running[GatewayService]
    book: LedgerBook
    upstream: ScriptedUpstream
    key: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def settled(self) -> UsageRecord:
        """The one record of this test, as the ledger has it."""
        await self.running.service._shipper.ship()
        (record,) = self.book.records.values()
        return record


@pytest.fixture
def book(tmp_path: Path) -> LedgerBook:
    (tmp_path / ".hxp").mkdir()
    return LedgerBook(Pepper.load_or_create(tmp_path / ".hxp" / "pepper"))


@pytest.fixture
def gateway(tmp_path: Path, book: LedgerBook) -> Callable[..., AbstractAsyncContextManager[World]]:
    """Makes a gateway in front of `upstream`; keyword arguments are the upstream's settings."""

    @asynccontextmanager
    async def make(
        upstream: ScriptedUpstream | None = None,
        *,
        host: str = "127.0.0.1",
        profile: str = "development",
        **settings: Any,
    ) -> AsyncIterator[World]:
        key = book.make_key(development=host == "127.0.0.1")
        async with ScriptedUpstream(book.answer) as ledger, upstream or MockLLM() as served:
            identity = Identity(
                "gateway",
                instance="gateway-0",
                host=host,
                state_dir=tmp_path / ".hxp",
                refs={"ledger": ledger.url, "tiny": served.url},
                token="stack-token",
                profile=profile,
            )
            names = ("max_body", "key_refresh", "keys_max_age", "keys_fail_open")
            top = {name: settings.pop(name) for name in names if name in settings}
            entry = {"name": "tiny", "service": "tiny", "models": ["mock"], **settings}
            known = GatewaySettings.model_validate({"upstreams": [entry], "ship_interval": 60, **top})
            async with hosted(GatewayService(), known, identity=identity) as running:
                yield World(running, book, served, key)

    return make
