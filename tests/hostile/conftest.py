"""A gateway between a ledger and an upstream that do as they are told, for the attacks on it; all on loopback."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_gateway import GatewayService, GatewaySettings
from hxp_schemas import KeyRecord, KeySnapshot, UsageRecord
from hxp_services_base import Identity, Pepper, new_key
from hxp_services_base.testing import hosted
from hxp_testing.upstream import BlackHole, Reply, ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hxp_services_base.testing import Running
    from hxp_testing.upstream import Behaviour, Request

CHAT = "/v1/chat/completions"


@dataclass
class Book:
    """The ledger's side: keys it gives out, records it has taken, and whether it hangs."""

    pepper: Pepper
    keys: list[KeyRecord] = field(default_factory=list)
    records: dict[str, UsageRecord] = field(default_factory=dict)
    hangs: bool = False
    questions: int = 0
    """How often it was asked for keys."""

    def make_key(self, **more: Any) -> str:
        made = new_key(self.pepper)
        known = {"id": made.id, "name": "t", "digest": made.digest, "created_at": "2026-01-01T00:00:00Z", **more}
        self.keys.append(KeyRecord.model_validate(known))
        return made.plaintext

    def answer(self, request: Request) -> Behaviour:
        if self.hangs:
            return BlackHole()
        if request.path.startswith("/v1/keys/snapshot"):
            self.questions += 1
            snapshot = KeySnapshot(version=len(self.keys), keys=self.keys, full=True)
            return Reply(200, {}, snapshot.model_dump_json().encode())
        try:
            taken = [UsageRecord.model_validate(entry) for entry in orjson.loads(request.body)["records"]]
        except ValueError as error:
            return Reply(400, {}, str(error).encode())
        fresh = [record for record in taken if record.request_id not in self.records]
        self.records.update((record.request_id, record) for record in fresh)
        return Reply(200, {}, orjson.dumps({"accepted": len(fresh), "duplicates": len(taken) - len(fresh)}))


@dataclass
class World:
    """A running gateway and what is around it."""

    running: Running[GatewayService]
    book: Book
    key: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    async def ship(self) -> None:
        await self.running.service._shipper.ship()


@asynccontextmanager
async def _gateway(
    folder: Path, upstream: str, *, models: tuple[str, ...] = ("mock",), profile: str = "development", **top: Any
) -> AsyncIterator[World]:
    """Run a gateway in front of the service at `upstream`; `top` are settings of the gateway."""
    state = folder / ".hxp"
    state.mkdir(exist_ok=True)
    book = Book(Pepper.load_or_create(state / "pepper"))
    key = book.make_key()
    async with ScriptedUpstream(book.answer) as ledger:
        refs = {"ledger": ledger.url, "tiny": upstream}
        identity = Identity(
            "gateway", instance="gateway-0", state_dir=state, refs=refs, token="stack-token", profile=profile
        )
        entry = {"name": "tiny", "service": "tiny", "models": list(models)}
        settings = GatewaySettings.model_validate({"upstreams": [entry], "ship_interval": 0.05, **top})
        async with hosted(GatewayService(), settings, identity=identity) as running:
            yield World(running, book, key)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def gateway() -> Callable[..., AbstractAsyncContextManager[World]]:
    """Runs a gateway in a folder, in front of the service at an address; other arguments are its settings."""
    return _gateway
