import asyncio
from typing import Any

import pytest
from hxp_testing.asgi import AsgiClient
from hxp_testing.leaks import no_leaks

pytestmark = pytest.mark.anyio


async def start(send: Any, status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    lines = [f"{scope['method']} {scope['path']} {scope['query_string'].decode()}".encode()]
    lines += [b"%b: %b" % header for header in scope["headers"]]
    await start(send, 201, [(b"X-A", b"1"), (b"x-a", b"2")])
    await send({"type": "http.response.body", "body": b"\n".join([*lines, message["body"]])})


async def test_a_request_arrives_as_it_was_made() -> None:
    async with no_leaks(), AsgiClient(echo) as client:
        response = await client.request("POST", "/caf%C3%A9?q=1", {"X-Key": "k"}, b"body")
    assert (response.status, response.headers) == (201, {"x-a": "1, 2"})
    assert response.body.decode().split("\n") == [
        "POST /café q=1",
        "host: testserver",
        "x-key: k",
        "content-length: 4",
        "body",
    ]
    async with AsgiClient(echo) as client:
        assert b"content-length" not in (await client.request("GET", "/", {"Host": "h"})).body


async def test_an_answer_comes_piece_by_piece() -> None:
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await gate.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async with no_leaks(), AsgiClient(app) as client, client.stream("GET", "/") as response:
        pieces = []
        async for piece in response.body():
            pieces.append(piece)
            gate.set()
    assert pieces == [b"one", b"two"]


@pytest.mark.parametrize("read_first", [True, False])
async def test_a_client_can_leave_in_the_middle(read_first: bool) -> None:  # noqa: FBT001 - a parameter of the test
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        if read_first:
            heard.append((await receive())["type"])
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            if not read_first or len(heard) < 2:
                heard.append((await receive())["type"])
            if heard[-1] == "http.disconnect":
                await send({"type": "http.response.body", "body": b"into the void"})
                return

    async with no_leaks(), AsgiClient(app) as client, client.stream("GET", "/") as response:
        async for _ in response.body():
            response.disconnect()
            break
    assert heard[-1] == "http.disconnect"


async def test_what_the_application_raises_reaches_the_test() -> None:
    async def early(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("early")

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        raise ValueError("late")

    async with no_leaks(), AsgiClient(early) as client:
        with pytest.raises(ValueError, match="early"):
            await client.request("GET", "/")
    stream = AsgiClient(late).stream("GET", "/")
    with pytest.raises(ValueError, match="late"):
        async with stream:
            pass


async def test_an_answer_without_end_is_told() -> None:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        return

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await start(send)

    with pytest.raises(ConnectionError, match="without an answer"):
        await AsgiClient(nothing).request("GET", "/")
    with pytest.raises(ConnectionError, match="before its answer was complete"):
        await AsgiClient(half).request("GET", "/")


async def test_a_failing_test_does_not_wait_for_an_endless_application() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await asyncio.Event().wait()

    stream = AsgiClient(app).stream("GET", "/")
    with pytest.raises(ZeroDivisionError):
        async with no_leaks(), stream:
            1 / 0  # noqa: B018


def lifespan_app(log: list[str], fail: str | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await start(send)
            await send({"type": "http.response.body", "body": scope["state"]["word"].encode()})
            return
        for step in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{step}"
            log.append(step)
            scope["state"]["word"] = "hello"
            if fail == f"raise {step}":
                raise ValueError(fail)
            if fail == f"leave {step}":
                return
            if fail == f"fail {step}":
                await send({"type": f"lifespan.{step}.failed", "message": "no disk"})
                return
            await send({"type": f"lifespan.{step}.complete"})

    return app


async def test_the_lifespan_surrounds_the_requests_and_shares_its_state() -> None:
    log: list[str] = []
    async with no_leaks(), AsgiClient(lifespan_app(log), lifespan=True) as client:
        assert log == ["startup"]
        assert (await client.request("GET", "/")).body == b"hello"
    assert log == ["startup", "shutdown"]


@pytest.mark.parametrize("step", ["startup", "shutdown"])
@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [("raise", ValueError, "raise"), ("leave", RuntimeError, "left its lifespan"), ("fail", RuntimeError, "no disk")],
)
async def test_a_lifespan_that_fails_is_told(step: str, how: str, kind: type[Exception], words: str) -> None:
    client = AsgiClient(lifespan_app([], f"{how} {step}"), lifespan=True)
    with pytest.raises(kind, match=words):
        async with no_leaks(), client:
            pass
