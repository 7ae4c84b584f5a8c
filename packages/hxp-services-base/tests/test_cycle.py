"""The server's side of ASGI: whatever an app does, the client gets one answer, or sees that it broke off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hxp_logging
import pytest
from hxp_logging.testing import capture
from hxp_schemas import HttpConfig
from hxp_services_base.chassis._connections import Connections
from hxp_services_base.chassis._limits import Limits
from hxp_services_base.chassis._probes import _State
from hxp_services_base.chassis._protocol import HttpConnection
from hxp_testing.net import raw_answer

if TYPE_CHECKING:
    from hxp_services_base.chassis import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
BODY: dict[str, Any] = {"type": "http.response.body", "body": b"hi"}


async def answer_of(app: ASGIApp, sent: bytes = GET) -> bytes:
    counted: list[str] = []
    log = hxp_logging.get_logger("test")
    connections = Connections(Limits.of(HttpConfig()), log=log, count=counted.append)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpConnection(app, connections, _State()), "127.0.0.1", 0)
    async with server:
        return await raw_answer(server.sockets[0].getsockname()[1], sent)


def sending(*messages: dict[str, Any]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(dict(message))

    return app


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [BODY],
        [{**START, "headers": [(b"a", b"b\r\nc: d")]}],
        [{**START, "headers": [(b"a", b"b\nc: d")]}],
        [{**START, "headers": [(b"a", b"b\0")]}],
        [{**START, "headers": [(b"a\r\nb", b"c")]}],
    ],
)
async def test_an_app_that_fails_before_its_answer_is_answered_for(messages: list[dict[str, Any]]) -> None:
    answer = await answer_of(sending(*messages))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"internal_error" in answer
    assert b"c: d" not in answer


@pytest.mark.parametrize(
    "messages",
    [
        [START],
        [START, START],
        [START, {**BODY, "more_body": True}],
        [{**START, "headers": [(b"content-length", b"1")]}, BODY],
        [{**START, "headers": [(b"content-length", b"3")]}, BODY],
    ],
)
async def test_an_answer_that_is_not_completed_breaks_off_and_is_no_whole_one(messages: list[dict[str, Any]]) -> None:
    answer = await answer_of(sending(*messages))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not answer.endswith(b"0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: 2" not in head
    assert len(body) < 10


async def test_after_the_end_nothing_more_is_sent_and_the_mistake_is_logged() -> None:
    with capture() as lines:
        answer = await answer_of(sending(START, BODY, BODY))
    assert answer.endswith(b"\r\n2\r\nhi\r\n0\r\n\r\n")
    assert any("after the end" in str(line) for line in lines)


async def test_the_app_may_frame_its_answer_itself_and_use_any_status() -> None:
    framed = {**START, "headers": [(b"Transfer-Encoding", b"chunked"), (b"Connection", b"Close")]}
    answer = await answer_of(sending(framed, {**BODY, "body": b"", "more_body": True}, BODY))
    assert answer.count(b"chunked") == 1
    assert answer.lower().count(b"connection: close") == 1
    assert (await answer_of(sending({**START, "status": 299}, BODY))).startswith(b"HTTP/1.1 299 \r\n")
    empty = await answer_of(sending({**START, "status": 204}, {**BODY, "body": b""}))
    assert b"transfer-encoding" not in empty


async def test_an_app_that_reads_on_after_its_answer_sees_the_client_leave() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, BODY)(scope, receive, send)
        seen.append(await receive())

    await answer_of(app)
    assert seen == [{"type": "http.disconnect"}]


async def test_what_is_sent_to_a_client_that_left_goes_nowhere() -> None:
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await sending(START, BODY, BODY)(scope, receive, send)
        done.set()

    connections = Connections(Limits.of(HttpConfig()), log=hxp_logging.get_logger("test"), count=print)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpConnection(app, connections, _State()), "127.0.0.1", 0)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(GET)
        await writer.drain()
        writer.close()
        async with asyncio.timeout(5):
            await done.wait()


async def test_a_cancelled_handler_ends_its_connection_and_stays_cancelled() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with capture() as lines:
        assert (await answer_of(app)).startswith(b"HTTP/1.1 500 ")
    assert not any("outside its handler" in line["body"] for line in lines)
