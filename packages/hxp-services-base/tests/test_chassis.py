"""The chassis over real sockets: correlation, admission, errors, probes, limits."""

from __future__ import annotations

import asyncio
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import hxp_logging
import pytest
from hxp_logging.testing import capture
from hxp_services_base import BaseService, Check, Context, Identity, Settings, StartError, State
from hxp_services_base.chassis import (
    PROBE_PORT_OFFSET,
    ClientLeftError,
    PortInUseError,
    ServiceError,
    ServiceHost,
    Shell,
    bind,
    exchange_of,
    holder_of,
    read_body,
    require_json,
    respond,
)
from hxp_services_base.testing import hosted
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import APIRouter
    from hxp_logging import Logger
    from hxp_services_base.chassis import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio


class Echo(BaseService[Settings]):
    """Echoes bodies, on plain ASGI and on FastAPI routes, and fails when asked to."""

    lame_duck = 0.0
    is_front_door = True

    def routes(self, router: APIRouter) -> None:
        @router.get("/square/{number}")
        async def square(number: int) -> int:
            return number * number

        @router.get("/refuse")
        async def refuse() -> None:
            raise ServiceError.of(429, "too_many", "slow down", retry_after=2.5, retryable=True)

        @router.get("/v1/crash")
        async def crash() -> None:
            raise RuntimeError("secret detail")

    def asgi(self, inner: ASGIApp) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/v1/echo":
                require_json(scope)
                body = await read_body(scope, receive, limit=1000, seconds=0.3)
                exchange_of(scope).fields["length"] = len(body)
                await respond(send, 200, [(b"content-type", b"text/plain")], body)
            elif scope["path"] == "/v1/unstarted-crash":
                raise RuntimeError("secret detail")
            elif scope["path"] == "/v1/stream-crash":
                headers = [(b"content-type", b"text/event-stream")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
                raise RuntimeError("secret detail")
            elif scope["path"] == "/v1/half":
                headers = [(b"content-length", b"100")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": b"half", "more_body": True})
                raise RuntimeError("secret detail")
            else:
                await inner(scope, receive, send)

        return app


async def test_a_request_id_comes_back_and_an_unsafe_one_is_replaced(identity: Identity) -> None:
    async with hosted(Echo(), identity=identity) as running:
        async with running.client.get("/square/3", headers={"X-Request-ID": "mine-1"}) as response:
            assert response.headers["X-Request-ID"] == "mine-1"
            assert await response.json() == 9
        for unsafe in ("a b", "x" * 200, "<script>"):
            async with running.client.get("/square/3", headers={"X-Request-ID": unsafe}) as response:
                assert response.headers["X-Request-ID"].startswith("req_")


async def test_every_answer_is_marked_not_to_be_sniffed_or_stored(identity: Identity) -> None:
    async with hosted(Echo(), identity=identity) as running, running.client.get("/square/3") as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"


async def test_the_access_record_carries_route_status_and_fields(identity: Identity) -> None:
    with capture() as lines:
        async with hosted(Echo(), identity=identity) as running:
            headers = {"X-Request-ID": "find-me", "Content-Type": "application/json"}
            async with running.client.post("/v1/echo", data=b"{}", headers=headers) as response:
                assert await response.read() == b"{}"
    record = next(line for line in lines if line["body"] == "request")
    assert record["request_id"] == "find-me"
    assert record["attributes"]["status"] == 200
    assert record["attributes"]["length"] == 2


async def test_errors_speak_the_callers_dialect(identity: Identity) -> None:
    async with hosted(Echo(), identity=identity) as running:
        async with running.client.get("/refuse") as response:
            problem = await response.json()
            assert response.content_type == "application/problem+json"
            assert (problem["status"], problem["code"]) == (429, "too_many")
            assert response.headers["Retry-After"] == "3"
            assert response.headers["x-should-retry"] == "true"
        async with running.client.get("/v1/nothing") as response:
            envelope = await response.json()
            assert response.status == 404
            assert set(envelope["error"]) == {"message", "type", "param", "code"}
        async with running.client.get("/square/three") as response:
            assert (response.status, (await response.json())["param"]) == (400, "number")
        async with running.client.post("/square/3") as response:  # B9
            assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_a_crash_tells_the_client_nothing_and_the_log_everything(identity: Identity) -> None:
    """L5: no traceback, no detail in a body."""
    with capture() as lines:
        async with hosted(Echo(), identity=identity) as running:
            for path in ("/v1/crash", "/v1/unstarted-crash"):
                async with running.client.get(path) as response:
                    text = await response.text()
                    assert response.status == 500
                    assert "secret" not in text
            async with running.client.get("/v1/stream-crash") as response:
                text = await response.text()
                assert text.startswith("data: 1\n\ndata: {")
                assert text.endswith("data: [DONE]\n\n")
                assert "secret" not in text
            with pytest.raises(aiohttp.ClientPayloadError):
                async with running.client.get("/v1/half") as response:
                    await response.read()
    assert sum("secret detail" in str(line) for line in lines if line["body"] == "request failed") == 4


async def test_bodies_are_bounded_in_size_and_time(identity: Identity) -> None:
    """R2, B6, R1."""
    json = {"Content-Type": "application/json"}
    async with hosted(Echo(), identity=identity) as running:
        async with running.client.post("/v1/echo", data=b"x" * 1001, headers=json) as response:
            assert (response.status, response.headers["Connection"]) == (413, "close")

        async def chunked() -> object:
            for _ in range(3):
                yield b"x" * 500

        async with running.client.post("/v1/echo", data=chunked(), headers=json) as response:
            assert response.status == 413
        async with running.client.post(
            "/v1/echo", data=b"a=b", headers={"Content-Type": "application/xml"}
        ) as response:
            assert response.status == 415
        reader, writer = await asyncio.open_connection("127.0.0.1", running.host.port)
        writer.write(b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nslow")
        assert b"408" in await reader.readline()
        writer.close()


async def test_two_framings_in_one_request_are_refused_and_the_connection_closed(identity: Identity) -> None:
    """R9."""
    async with hosted(Echo(), identity=identity) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.host.port)
        writer.write(
            b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            b"GET /square/3 HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400")
        assert answer.count(b"HTTP/1.1") == 1
        writer.close()


async def test_a_client_that_leaves_before_its_body_is_whole_is_no_error(identity: Identity) -> None:
    with capture() as lines:
        async with hosted(Echo(), identity=identity) as running:
            _, writer = await asyncio.open_connection("127.0.0.1", running.host.port)
            writer.write(b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
            await writer.drain()
            writer.close()
            async with running.client.get("/square/2") as response:
                assert response.status == 200
            while not any(line["attributes"].get("client_left") for line in lines if "attributes" in line):
                await asyncio.sleep(0)
    assert not any(line["severity_text"] == "ERROR" for line in lines)


async def test_probes_answer_on_the_port_and_from_a_thread_of_their_own(identity: Identity) -> None:
    async with hosted(Echo(), identity=identity) as running:
        for path in ("/livez", "/readyz", "/startupz", "/healthz", "/health", "/v2/health/live", "/v2/health/ready"):
            async with running.client.get(path) as response:
                assert response.status == 200
        async with aiohttp.ClientSession(f"http://127.0.0.1:{running.host.probe_port}") as probes:
            async with probes.get("/healthz?verbose") as response:
                assert (await response.json())["status"] == "pass"
            async with probes.get("/metrics") as response:
                assert "hxp_http_requests_in_flight" in await response.text()
            async with probes.get("/square/3") as response:
                assert response.status == 404


async def test_the_probe_thread_answers_although_the_event_loop_is_blocked(identity: Identity) -> None:
    async with hosted(Echo(), identity=identity) as running:

        def ask() -> bytes:
            with urllib.request.urlopen(f"http://127.0.0.1:{running.host.probe_port}/livez", timeout=5) as response:
                return bytes(response.read())

        with ThreadPoolExecutor(1) as pool:
            assert b"pass" in pool.submit(ask).result()  # blocks this loop until the thread has its answer


async def test_info_and_metrics_tell_who_it_is_and_what_it_did(identity: Identity) -> None:
    async with hosted(Echo(), identity=identity) as running:
        async with running.client.get("/square/3"):
            pass
        async with running.client.get(f"{running.operations_url}/info") as response:
            info = await response.json()
            assert (info["service"], info["state"], info["version"]) == ("probe", "ready", "unknown")
        async with running.client.get(f"{running.operations_url}/metrics") as response:
            text = await response.text()
            assert 'hxp_http_requests_total{method="GET",route="/square/{number}",status="200"} 1.0' in text


async def test_unknown_paths_do_not_grow_the_metrics(identity: Identity) -> None:
    """R7."""
    async with hosted(Echo(), identity=identity) as running:
        for number in range(30):
            async with running.client.get(f"/nothing-{number}"):
                pass
        async with running.client.get(f"{running.operations_url}/metrics") as response:
            assert "nothing-" not in await response.text()


async def test_until_it_is_ready_a_service_answers_503_with_retry_after(identity: Identity) -> None:
    release = asyncio.Event()

    class Warming(Echo):
        async def ready(self, context: Context) -> None:
            await release.wait()

    port = free_ports(1)[0]
    starting = ServiceHost(Warming(), Settings(), identity=replace(identity, port=port), log=_log())
    task = asyncio.create_task(starting.start())
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        response = await _eventually(client, "/square/3")
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        async with client.get("/startupz") as probe:
            assert (probe.status, (await probe.json())["phase"]) == (503, "warming up")
        release.set()
        await task
        async with client.get("/square/3") as response:
            assert response.status == 200
    assert starting.probe_port == port + PROBE_PORT_OFFSET
    await starting.stop("enough")


def _log() -> Logger:
    return hxp_logging.get_logger("test")


async def _eventually(client: aiohttp.ClientSession, path: str) -> aiohttp.ClientResponse:
    while True:
        try:
            return await client.get(path)
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0)


async def test_a_service_behind_the_front_door_lets_only_its_stack_in(identity: Identity) -> None:
    """A1, A2, A4."""

    class Inner(Echo):
        is_front_door = False

    async with hosted(Inner(), identity=replace(identity, token="stack-token")) as running:
        async with aiohttp.ClientSession(running.url) as stranger:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic stack-token"}):
                async with stranger.get("/square/3", headers=headers) as response:
                    assert response.status == 401
                    assert response.headers["WWW-Authenticate"].startswith("Bearer")
            twice = [("Authorization", "Bearer stack-token")] * 2
            async with stranger.get("/square/3", headers=twice) as response:
                assert response.status == 401
            async with stranger.get("/readyz") as response:
                assert response.status == 200
        async with running.client.get("/square/3") as response:
            assert response.status == 200


async def test_a_taken_port_is_told_with_its_holder(identity: Identity) -> None:
    """P6."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    host = ServiceHost(Echo(), Settings(), identity=replace(identity, port=port), log=_log())
    with pytest.raises(PortInUseError, match=rf"127\.0\.0\.1:{port} is in use by process \d+"):
        await host.start()
    listener.close()
    assert holder_of(port) is None


async def test_a_taken_probe_port_fails_the_start_and_frees_the_other(identity: Identity) -> None:
    port = free_ports(1)[0]
    taken = bind("127.0.0.1", port + PROBE_PORT_OFFSET)
    host = ServiceHost(Echo(), Settings(), identity=replace(identity, port=port), log=_log())
    with pytest.raises(StartError, match="cannot answer probes"):
        await host.start()
    taken.close()
    bind("127.0.0.1", port).close()


async def test_a_service_whose_task_dies_says_so(identity: Identity) -> None:
    class Doomed(Echo):
        async def start(self, context: Context) -> None:
            async def die() -> None:
                raise RuntimeError("out of luck")

            context.spawn(die(), name="doomed")

    async with hosted(Doomed(), identity=identity) as running:
        assert "the task 'doomed' died" in await running.host.failed()


async def test_a_stop_that_is_not_clean_exits_with_one(identity: Identity) -> None:
    class Sulking(Echo):
        async def stop(self, context: Context) -> None:
            raise RuntimeError("the flush failed")

    async with hosted(Sulking(), identity=identity) as running:
        assert await running.host.stop("enough") == 1
        assert running.host.lifecycle.state is State.FAILED
        running.host.lifecycle._machine._state = State.STOPPED  # the block above must not stop it again


async def test_a_degraded_service_still_serves(identity: Identity) -> None:
    async def broken() -> str | None:
        return "slow"

    class Degraded(Echo):
        def check_health(self) -> Sequence[Check]:
            return (Check("upstream", broken, critical=False),)

    async with hosted(Degraded(), identity=identity) as running:
        async with running.client.get(f"{running.operations_url}/readyz") as response:
            document = await response.json()
            assert (response.status, document["status"], document["reason"]) == (200, "warn", "upstream: slow")
        async with running.client.get("/square/2") as response:
            assert response.status == 200


async def test_a_websocket_is_closed_politely(identity: Identity) -> None:
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    shell = Shell.__new__(Shell)
    await shell({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_the_servers_own_cancellation_is_not_swallowed(identity: Identity) -> None:
    async with hosted(Echo(), identity=identity) as running:
        shell = running.host._shell
        assert shell is not None

        async def never() -> dict[str, object]:
            await asyncio.Event().wait()
            raise AssertionError

        async def drop(message: object) -> None:
            pass

        scope = {"type": "http", "method": "POST", "path": "/v1/echo", "query_string": b"", "headers": []}
        serving = asyncio.create_task(shell(scope, never, drop))
        while len(shell.in_flight) == 0:
            await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert len(shell.in_flight) == 0


def test_leaving_is_told_apart_from_failing() -> None:
    assert not issubclass(ClientLeftError, ServiceError)
