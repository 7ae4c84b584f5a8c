"""Upstreams that are asked which models they have: one that is away, hangs or lies keeps nobody else from working."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_gateway import GatewayService, GatewaySettings
from hxp_gateway._route_table import RouteTable
from hxp_services_base import Identity
from hxp_services_base.testing import hosted
from hxp_testing.llm import MockLLM
from hxp_testing.upstream import BlackHole, Drip, Reply, Reset, ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hxp_services_base.testing import Running
    from hxp_testing.upstream import Behaviour

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
QUICK = {"discovery_timeout": 0.2, "ship_interval": 60}


class Front:
    """A running gateway, asked with a key."""

    def __init__(self, running: Running[GatewayService], key: str) -> None:
        self._running = running
        self._auth = {"Authorization": f"Bearer {key}"}

    async def models(self) -> list[str]:
        async with self._running.client.get("/v1/models", headers=self._auth) as response:
            return [model["id"] for model in (await response.json())["data"]]

    async def chat(self, model: str) -> tuple[int, dict[str, Any], Any]:
        body = {"model": model, "messages": [{"role": "user", "content": "one two"}]}
        async with self._running.client.post(CHAT, json=body, headers=self._auth) as response:
            return response.status, await response.json(), response.headers

    async def look_up(self, model: str) -> int:
        async with self._running.client.get(f"/v1/models/{model}", headers=self._auth) as response:
            return response.status

    async def health(self, name: str) -> str | None:
        """The newest result of a check that is not critical; the gateway is ready whatever it says."""
        monitor = self._running.host.context.health
        await monitor.refresh(force=True)
        async with self._running.client.get("/readyz") as response:
            assert response.status == 200
        (found,) = [check for check in monitor._results.values() if check.name == name]
        assert not found.critical
        return found.detail

    async def until_there_is(self, model: str) -> None:
        async with asyncio.timeout(10):
            while model not in await self.models():
                await asyncio.sleep(0.01)


@pytest.fixture
def front(tmp_path: Path, book: Any) -> Any:
    """Makes a gateway in front of upstreams by name: a URL, or settings."""

    @asynccontextmanager
    async def make(top: dict[str, Any] | None = None, **upstreams: str | dict[str, Any]) -> AsyncIterator[Front]:
        key = book.make_key()
        entries = [
            {"name": name, "url": told} if isinstance(told, str) else {"name": name, **told}
            for name, told in upstreams.items()
        ]
        async with ScriptedUpstream(book.answer) as ledger:
            identity = Identity("gateway", state_dir=tmp_path / ".hxp", refs={"ledger": ledger.url})
            settings = GatewaySettings.model_validate({"upstreams": entries, **QUICK, **(top or {})})
            async with hosted(GatewayService(), settings, identity=identity) as running:
                yield Front(running, key)

    return make


async def free_url() -> str:
    """An address that nobody listens at."""
    async with ScriptedUpstream() as gone:
        return gone.url


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (BlackHole(), "has not listed its models yet"),
        (Reset(), "closed the connection"),
        (Reply(500, {}, b'{"data":[]}'), "it answered 500"),
        (Reply(200, {}, b"<html>"), "its answer is no list of models"),
        (Reply(200, {}, b'{"data":[]}'), "it lists no model"),
        (Drip(b'{"data":[{"id":"slow"}]}', 5.0), "has not listed its models yet"),
    ],
)
async def test_an_upstream_that_does_not_list_its_models_keeps_no_other_from_working(
    front: Any, behaviour: Behaviour, reason: str
) -> None:
    async with ScriptedUpstream([behaviour]) as odd, MockLLM() as fine:
        started = time.monotonic()
        async with front(odd=odd.url, fine=fine.url) as gateway:
            assert time.monotonic() - started < 2
            assert await gateway.models() == ["mock"]
            assert (await gateway.chat("mock"))[0] == 200
            assert reason in str(await gateway.health("models:odd"))
            assert "models: [...]" in str(await gateway.health("models:odd"))
            assert await gateway.health("models:fine") is None


async def test_an_upstream_that_is_away_at_start_has_its_models_once_it_answers(front: Any) -> None:
    refused = [Reply(503)] * 2
    async with MockLLM(["late"]) as late, MockLLM() as fine:
        late.queue(*refused)
        async with front(late=late.url, fine=fine.url) as gateway:
            status, answer, headers = await gateway.chat("late")
            if status != 200:  # it is asked again after half a second at the most
                assert (status, answer["error"]["code"]) == (503, "models_unknown")
                assert "'late'" in answer["error"]["message"]
                assert headers["Retry-After"]
                assert await gateway.look_up("late") == 503
            await gateway.until_there_is("late")
            assert await gateway.models() == ["late", "mock"]
            assert (await gateway.chat("late"))[0] == 200
            assert await gateway.look_up("late") == 200
            assert await gateway.health("models:late") is None
            status, answer, _ = await gateway.chat("nothing")
            assert (status, answer["error"]["code"]) == (404, "model_not_found")


async def test_a_slow_list_is_taken_when_it_comes(front: Any) -> None:
    listed = asyncio.Event()

    async def slow(_request: object) -> Behaviour:
        await listed.wait()
        return Reply(200, {}, b'{"data":[{"id":"slow"}]}')

    async with ScriptedUpstream(slow) as upstream, front(slow=upstream.url) as gateway:
        assert await gateway.models() == []
        listed.set()
        await gateway.until_there_is("slow")
        assert len(upstream.requests) == 1


async def test_a_gateway_starts_although_no_upstream_answers(front: Any) -> None:
    async with front({"discovery_timeout": 10.0}, one=await free_url(), two=await free_url()) as gateway:
        assert await gateway.models() == []
        status, answer, _ = await gateway.chat("mock")
        assert (status, answer["error"]["code"]) == (503, "models_unknown")
        assert "'one', 'two'" in answer["error"]["message"]
        assert "cannot be reached" in str(await gateway.health("models:one"))


async def test_all_upstreams_are_asked_at_once(front: Any) -> None:
    async with ScriptedUpstream([BlackHole()]) as hole:
        started = time.monotonic()
        async with front({"discovery_timeout": 0.5}, **{f"u{index}": hole.url for index in range(6)}):
            assert time.monotonic() - started < 2
            assert len(hole.requests) == 6


async def test_of_two_that_list_the_same_model_the_first_in_the_settings_answers(front: Any) -> None:
    async with MockLLM(["mock", "own"]) as one, MockLLM() as two:
        one.queue(Reply(503))  # the second is the first to answer
        async with front(one=one.url, two=two.url) as gateway:
            await gateway.until_there_is("own")
            assert await gateway.models() == ["mock", "own"]
            assert (await gateway.chat("mock"))[0] == 200
            assert len([request for request in one.requests if request.path == CHAT]) == 1
            assert await gateway.health("models:one") is None
            problem = str(await gateway.health("models:two"))
            assert "'mock' is also at 'one', which answers" in problem


async def test_a_model_that_is_named_is_never_taken_by_one_that_lists_it(front: Any) -> None:
    async with (
        MockLLM() as liar,
        MockLLM() as named,
        front(liar=liar.url, named={"url": named.url, "models": ["mock"]}) as gateway,
    ):
        assert (await gateway.chat("mock"))[0] == 200
        assert [request.path for request in named.requests] == [CHAT]
        assert await gateway.health("models:liar") is None  # the settings have decided it


async def test_a_list_without_end_and_names_that_are_none_are_not_taken(front: Any) -> None:
    odd = orjson.dumps({"data": [{"id": name} for name in ("", "x" * 300, "line\nbreak", "fine")]})
    endless = orjson.dumps({"data": [{"id": f"m{number}"} for number in range(10_001)]})
    async with (
        ScriptedUpstream([Reply(200, {}, odd)]) as one,
        ScriptedUpstream([Reply(200, {}, endless)]) as two,
        front(one=one.url, two=two.url) as gateway,
    ):
        assert await gateway.models() == ["fine"]
        assert "10001 models" in str(await gateway.health("models:two"))


async def test_a_keeper_outlives_what_nobody_foresaw(front: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([RuntimeError("odd")])

    def failing(*_arguments: object) -> None:
        if (error := next(calls, None)) is not None:
            raise error
        original(*_arguments)  # type: ignore[arg-type]

    original = RouteTable.learn
    monkeypatch.setattr(RouteTable, "learn", failing)
    async with MockLLM() as fine, front(fine=fine.url) as gateway:
        await gateway.until_there_is("mock")
