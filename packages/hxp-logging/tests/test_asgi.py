"""The middleware, by hand and around Starlette: right on 500s, in handlers, background tasks and streams."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hxp_logging import (
    FlightRecorder,
    Logging,
    LoggingOptions,
    _default,
    baggage,
    outgoing_headers,
    request_id,
    trace_context,
)
from hxp_logging.asgi import CorrelationMiddleware
from hxp_logging.testing import capture
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def call(app: Any, *headers: tuple[bytes, bytes], path: str = "/", kind: str = "http") -> list[dict[str, Any]]:
    """Send one request; what the app raises is raised after what it sent was collected."""
    sent: list[dict[str, Any]] = []

    asked = iter([True])

    async def receive() -> dict[str, Any]:
        if not next(asked, False):
            await asyncio.Event().wait()  # the client stays, and says no more
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {"type": kind, "method": "GET", "path": path, "query_string": b"", "headers": list(headers)}
    try:
        asyncio.run(app(scope, receive, send))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        sent.append({"type": "raised", "error": error})
    return sent


def id_of(messages: list[dict[str, Any]]) -> list[bytes]:
    return [value for name, value in messages[0]["headers"] if name == b"x-request-id"]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logging(stream: io.StringIO) -> Logging:
    return Logging(LoggingOptions(format="json", recorder=FlightRecorder()), stream=stream)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


async def plain(scope: Any, receive: Any, send: Any) -> None:
    seen = {"id": request_id(), "headers": outgoing_headers(), "baggage": dict(baggage() or {})}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Request-Id", b"the app's own")]})
    await send({"type": "http.response.body", "body": orjson.dumps(seen)})


def test_a_safe_id_and_the_callers_trace_go_on(logging: Logging) -> None:
    start, body = call(
        CorrelationMiddleware(plain, logging=logging),
        (b"x-request-id", b"abc"),
        (b"traceparent", TRACE.encode()),
        (b"tracestate", b"a=1"),
        (b"tracestate", b"b=2"),
        (b"baggage", b"tenant=acme"),
        (b"baggage", b"step=2"),
    )
    seen = orjson.loads(body["body"])
    assert id_of([start]) == [b"abc"]
    assert seen["id"] == "abc"
    assert seen["headers"]["traceparent"][:36] == TRACE[:36]
    assert seen["headers"]["traceparent"] != TRACE
    assert seen["headers"]["tracestate"] == "a=1,b=2"
    assert seen["headers"]["baggage"] == "tenant=acme,step=2"
    assert seen["baggage"] == {"tenant": "acme", "step": "2"}
    assert (request_id(), trace_context()) == (None, None)


@pytest.mark.parametrize("value", [b"a b", b"a\r\nb", b"x" * 129, b"\xff", b""])
def test_an_unsafe_id_is_replaced(logging: Logging, value: bytes) -> None:
    """L1, L2."""
    [found] = id_of(call(CorrelationMiddleware(plain, logging=logging), (b"x-request-id", value)))
    assert found.startswith(b"req_")


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("boom")


def test_a_500_carries_the_id_and_the_exception_is_logged_with_it(logging: Logging, stream: io.StringIO) -> None:
    """L5: and no traceback leaves."""
    app = CorrelationMiddleware(broken, logging=logging)
    start, body, raised = call(app, (b"x-request-id", b"abc"), path="/a\nb")
    assert (start["status"], id_of([start])) == (500, [b"abc"])
    assert b"boom" not in body["body"]
    assert isinstance(raised["error"], ValueError)
    [line] = lines(stream)
    assert (line["body"], line["request_id"]) == ("request failed", "abc")
    assert line["attributes"]["exception.type"] == "ValueError"


def test_an_exception_in_the_middle_of_an_answer_is_not_answered_twice(logging: Logging, stream: io.StringIO) -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("boom")

    messages = call(CorrelationMiddleware(half, logging=logging))
    assert [message["type"] for message in messages] == ["http.response.start", "raised"]
    assert len(lines(stream)) == 1


def starlette(logging: Logging, *, inside: bool) -> Any:
    log = logging.get_logger("app")

    async def fails(request: Request) -> PlainTextResponse:
        raise ValueError("boom")

    async def handled(request: Request, error: Exception) -> PlainTextResponse:
        log.warning("handled")
        return PlainTextResponse("sorry", 503)

    async def conflict(request: Request) -> PlainTextResponse:
        raise KeyError

    async def later(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok", background=BackgroundTask(lambda: log.warning("background")))

    async def streamed(request: Request) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"a"
            log.warning("streaming")
            yield b"b"

        return StreamingResponse(chunks())

    routes = [Route("/fails", fails), Route("/handled", conflict), Route("/later", later), Route("/stream", streamed)]
    app = Starlette(routes=routes, exception_handlers={KeyError: handled})
    if inside:
        app.add_middleware(CorrelationMiddleware, logging=logging)
        return app
    return CorrelationMiddleware(app, logging=logging)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/fails", 500, "request failed"),
        ("/handled", 503, "handled"),
        ("/later", 200, "background"),
        ("/stream", 200, "streaming"),
    ],
)
def test_every_kind_of_answer_belongs_to_its_request(
    logging: Logging, stream: io.StringIO, path: str, status: int, said: str, *, inside: bool
) -> None:
    app = starlette(logging, inside=inside)
    messages = call(app, (b"x-request-id", b"abc"), path=path)
    assert (messages[0]["status"], id_of(messages)) == (status, [b"abc"])
    assert [(line["body"], line["request_id"]) for line in lines(stream)] == [(said, "abc")]


@pytest.mark.parametrize(("status", "count"), [(200, 0), (503, 1)])
def test_a_failed_request_tells_its_details(logging: Logging, stream: io.StringIO, status: int, count: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        logging.get_logger("x").debug("detail")
        await send({"type": "http.response.start", "status": status, "headers": []})

    call(CorrelationMiddleware(app, logging=logging))
    assert [line["body"] for line in lines(stream)] == ["detail"] * count


def test_each_request_can_be_told_in_a_line(logging: Logging, stream: io.StringIO) -> None:
    times = iter([1.0, 1.5])
    call(CorrelationMiddleware(plain, logging=logging, access=True, monotonic=lambda: next(times)), path="/x")
    [line] = lines(stream)
    assert line["attributes"] == {"method": "GET", "path": "/x", "status": 200, "seconds": 0.5}


def test_a_websocket_carries_the_id_too(logging: Logging, stream: io.StringIO) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/fails":
            raise ValueError
        await send({"type": "websocket.accept"})

    wrapped = CorrelationMiddleware(app, logging=logging)
    assert id_of(call(wrapped, (b"x-request-id", b"abc"), kind="websocket")) == [b"abc"]
    assert [message["type"] for message in call(wrapped, path="/fails", kind="websocket")] == ["raised"]


def test_a_client_that_is_gone_when_its_request_fails_hides_nothing(logging: Logging, stream: io.StringIO) -> None:
    """The server is told what went wrong, not that nobody could be told."""

    async def main() -> None:
        async def gone(message: Any) -> None:
            raise OSError("the client is gone")

        wrapped = CorrelationMiddleware(broken, logging=logging, access=True)
        with pytest.raises(ValueError, match="boom"):
            await wrapped({"type": "http", "method": "GET", "path": "/", "headers": []}, None, gone)  # type: ignore[arg-type]  # not used

    asyncio.run(main())
    failed, access = lines(stream)
    assert failed["attributes"]["exception.type"] == "ValueError"
    assert access["attributes"]["status"] == 500


def test_a_client_that_leaves_before_the_answer_has_no_status(logging: Logging, stream: io.StringIO) -> None:
    async def main() -> None:
        began = asyncio.Event()

        async def waits(scope: Any, receive: Any, send: Any) -> None:
            began.set()
            await asyncio.Event().wait()

        wrapped = CorrelationMiddleware(waits, logging=logging, access=True)
        task = asyncio.create_task(wrapped({"type": "http", "method": "GET", "path": "/", "headers": []}, None, None))  # type: ignore[arg-type]  # not used
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    [access] = lines(stream)
    assert access["attributes"]["status"] is None
    assert request_id() is None


def test_a_websocket_that_is_refused_was_answered_with_403(logging: Logging, stream: io.StringIO) -> None:
    """As servers do for a close before the handshake."""

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 1008})

    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})

    for app in (refuses, closes):
        call(CorrelationMiddleware(app, logging=logging, access=True), kind="websocket")
    assert [line["attributes"]["status"] for line in lines(stream)] == [403, 101]


def test_other_scopes_pass_untouched(logging: Logging) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete", "seen": request_id()})

    assert call(CorrelationMiddleware(app, logging=logging), kind="lifespan")[0]["seen"] is None


def test_the_process_default_is_used_unless_told_otherwise(fresh_default: _default.Default) -> None:
    with capture() as events:
        call(CorrelationMiddleware(broken))
    assert [event["body"] for event in events] == ["request failed"]


def test_two_requests_at_once_do_not_mix(logging: Logging) -> None:
    both = asyncio.Event()
    seen: list[str | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(request_id())
        if len(seen) == 2:
            both.set()
        await both.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen.append(request_id())

    async def main() -> None:
        async def send(message: Any) -> None: ...

        wrapped = CorrelationMiddleware(app, logging=logging)
        scopes = [
            {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-request-id", name)]}
            for name in (b"a", b"b")
        ]
        await asyncio.gather(*(wrapped(scope, None, send) for scope in scopes))  # type: ignore[arg-type]  # not used

    asyncio.run(main())
    assert sorted(filter(None, seen)) == ["a", "a", "b", "b"]


def test_a_span_of_opentelemetry_keeps_the_trace(logging: Logging) -> None:
    span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1)))
    with use_span(span):
        _, body = call(CorrelationMiddleware(plain, logging=logging), (b"traceparent", TRACE.encode()))
    assert orjson.loads(body["body"])["headers"]["traceparent"] == f"00-{0xABC:032x}-{0xDEF:016x}-01"
