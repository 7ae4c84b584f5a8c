"""The drain, on open streams: whole, or with an error and the protocol's end, never a silent cut (P2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from hxp_services_base import BaseService, Identity, Settings, State
from hxp_services_base.chassis import exchange_of
from hxp_services_base.testing import hosted

if TYPE_CHECKING:
    from hxp_services_base.chassis import ASGIApp, Exchange, Receive, Scope, Send

pytestmark = pytest.mark.anyio


class Streams(BaseService[Settings]):
    """Streams until the test says that it is enough; notes how each stream ended inside."""

    lame_duck = 0.05
    drain_timeout = 0.2
    is_front_door = True

    def __init__(self) -> None:
        self.enough = asyncio.Event()
        self.endings: list[str] = []

    def asgi(self, inner: ASGIApp) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = exchange_of(scope)
            await receive()
            try:
                async with exchange.cancelled_when_client_leaves(receive):
                    await self._stream(exchange, send)
                self.endings.append("whole")
            except asyncio.CancelledError:
                self.endings.append("left" if exchange.client_left else "cut")
                raise

        return app

    async def _stream(self, exchange: Exchange, send: Send) -> None:
        kind = b"text/event-stream" if exchange.path != "/v1/silent" else b"application/json"
        if exchange.path != "/v1/silent":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await self.enough.wait()
        if exchange.path != "/v1/silent":
            await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def test_a_stream_that_ends_in_time_ends_whole(identity: Identity) -> None:
    service = Streams()
    async with hosted(service, identity=identity) as running, running.client.get("/v1/stream") as response:
        assert await response.content.readany() == b"data: 1\n\n"
        stopping = asyncio.create_task(running.host.stop("enough"))
        service.enough.set()
        assert await response.content.read() == b"data: [DONE]\n\n"
        assert await stopping == 0
    assert service.endings == ["whole"]


async def test_a_stream_that_does_not_gets_an_error_and_the_protocols_end(identity: Identity) -> None:
    service = Streams()
    async with hosted(service, identity=identity) as running, running.client.get("/v1/stream") as response:
        await response.content.readany()
        stopping = asyncio.create_task(running.host.stop("enough"))
        rest = await response.content.read()
        assert b'"code":"server_shutdown"' in rest
        assert rest.endswith(b"data: [DONE]\n\n")
        assert await stopping == 0
    assert service.endings == ["cut"]


async def test_an_answer_that_has_not_begun_is_a_503_that_may_be_tried_again(identity: Identity) -> None:
    service = Streams()
    async with hosted(service, identity=identity) as running:
        asking = asyncio.create_task(running.client.get("/v1/silent"))
        while len(running.host._shell.in_flight) == 0:  # type: ignore[union-attr]  # it has started
            await asyncio.sleep(0)
        stopping = asyncio.create_task(running.host.stop("enough"))
        response = await asking
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert response.headers["x-should-retry"] == "true"
        assert await stopping == 0


async def test_readiness_falls_first_and_new_requests_are_refused_after_the_lame_duck_moment(
    identity: Identity,
) -> None:
    service = Streams()
    async with hosted(service, identity=identity) as running, running.client.get("/v1/stream") as response:
        await response.content.readany()
        stopping = asyncio.create_task(running.host.stop("enough"))
        await asyncio.sleep(0)
        async with running.client.get("/readyz") as probe:
            assert probe.status == 503
            assert (await probe.json())["reason"] == "the service is draining"
        while running.host._shell._refusing is None:  # type: ignore[union-attr]  # it has started
            await asyncio.sleep(0)
        async with running.client.get("/v1/silent") as refused:
            assert (refused.status, refused.headers["Connection"]) == (503, "close")
        await response.content.read()
        await stopping


async def test_a_client_that_leaves_cancels_its_handler_at_once(identity: Identity) -> None:
    service = Streams()
    async with hosted(service, identity=identity) as running:
        response = await running.client.get("/v1/stream")
        await response.content.readany()
        response.close()
        while not service.endings:
            await asyncio.sleep(0)
        assert service.endings == ["left"]
        assert len(running.host._shell.in_flight) <= 1  # type: ignore[union-attr]  # it has started


async def test_a_thousand_clients_that_leave_leave_nothing_behind(identity: Identity) -> None:
    """vLLM's test of abandoned requests: afterwards nothing is under way and one more is answered."""
    service = Streams()
    async with hosted(service, identity=identity) as running:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(running.host.url, connector=connector) as crowd:
            for _ in range(10):
                responses = await asyncio.gather(*(crowd.get("/v1/stream") for _ in range(100)))
                for response in responses:
                    response.close()
        async with asyncio.timeout(20):
            await running.host._shell.in_flight.wait_empty()  # type: ignore[union-attr]  # it has started
        assert set(service.endings) == {"left"}
        assert len(service.endings) == 1000
        assert running.host.lifecycle.state is State.READY
