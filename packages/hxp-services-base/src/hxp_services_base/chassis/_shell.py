"""The one layer around a service's app: correlation, admission, errors, metrics, the end of streams."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import hxp_logging
from hxp_schemas import ErrorInfo, ErrorInfoError

from ._asgi import respond
from ._body import ClientLeftError
from ._errors import ServiceError, error_answer, error_events
from ._exchange import SCOPE_KEY, Exchange, InFlight
from ._operations import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._context import Context
    from ._asgi import ASGIApp, Headers, Message, Receive, Scope, Send
    from ._metrics import RequestMetrics
    from ._operations import Operations

_CLIENT_CLOSED = 499
"""What the access record calls a request whose client left; nobody receives it (nginx's convention)."""

_READING = frozenset({"GET", "HEAD"})
_PICKED = (
    b"x-request-id",
    b"traceparent",
    b"tracestate",
    b"content-length",
    b"transfer-encoding",
    b"content-encoding",
)


def _refusing_coded(coding: str) -> Receive:
    """Make the `receive` of a request whose body is coded: its handler is answered 415 once it asks for the body."""

    async def receive() -> Message:
        raise ServiceError.of(
            415,
            "unsupported_media_type",
            f"send the body as it is: the content coding {coding[:80]!r} is not supported",
            headers={"Accept-Encoding": "identity"},
        )

    return receive


class Shell:
    """Wraps `app` so that every request is correlated, counted, bounded by the service's life, and properly ended.

    Args:
        app: The service's own app.
        context: The service's surroundings.
        operations: Probes, answered here without touching the app.
        metrics: Where requests are counted.
        is_serving: Whether the service's state lets requests in.
    """

    def __init__(
        self,
        app: ASGIApp,
        context: Context,
        *,
        operations: Operations,
        metrics: RequestMetrics,
        is_serving: Callable[[], bool],
    ) -> None:
        self._app = app
        self._context = context
        self._operations = operations
        self._metrics = metrics
        self._is_serving = is_serving
        self._refusing: ErrorInfo | None = None
        self.in_flight = InFlight()

    def refuse_new(self, info: ErrorInfo) -> None:
        """From now on answer every new request with `info`."""
        self._refusing = info

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})
            return
        if scope["path"] in RESERVED and scope["method"] in _READING:
            answer = self._operations.bare(scope["path"], scope["query_string"].decode("latin-1"))
            if answer is not None:
                await respond(send, answer.status, [(b"content-type", answer.content_type)], answer.body)
                return
        picked: dict[bytes, str | None] = dict.fromkeys(_PICKED)
        for name, value in scope["headers"]:
            if name in picked:
                before = (
                    picked[name] if name == b"content-encoding" else None
                )  # each coding counts, the others do not add
                picked[name] = value.decode("latin-1") if before is None else f"{before}, {value.decode('latin-1')}"
        exchange = Exchange(hxp_logging.accept_request_id(picked[b"x-request-id"]), scope, now=self._context.clock())
        scope[SCOPE_KEY] = exchange
        trace = hxp_logging.TraceContext.from_header(picked[b"traceparent"], picked[b"tracestate"]).child()
        ambiguous = picked[b"content-length"] is not None and picked[b"transfer-encoding"] is not None
        coding = picked[b"content-encoding"]
        if coding is not None and any(one.strip().lower() != "identity" for one in coding.split(",")):
            receive = _refusing_coded(coding)
        with hxp_logging.correlation(exchange.request_id, trace):
            self.in_flight.add(exchange)
            try:
                await self._guarded(exchange, scope, receive, self._outgoing(exchange, send), ambiguous=ambiguous)
            finally:
                self.in_flight.remove(exchange)
                self._record(exchange)

    async def _guarded(
        self, exchange: Exchange, scope: Scope, receive: Receive, send: Send, *, ambiguous: bool
    ) -> None:
        try:
            self._admit(exchange, ambiguous=ambiguous)
            if exchange.method == "HEAD":  # the server leaves the body out; everything else is as for GET
                scope = {**scope, "method": "GET"}
            await self._app(scope, receive, send)
            route = scope.get("route")
            if route is not None and exchange.route == "other":
                exchange.route = route.path
        except ErrorInfoError as error:
            await self._tell(exchange, error.info, send, headers=getattr(error, "headers", None))
        except ClientLeftError:
            exchange.client_left = True
        except asyncio.CancelledError:
            await self._cancelled(exchange, send)
        except Exception as error:
            self._context.log.exception("request failed", path=exchange.path, error=repr(error))
            if not exchange.ended:
                info = ErrorInfo(
                    code="internal_error",
                    message="the server failed; the request id finds the cause",
                    status=500,
                )
                await self._tell(exchange, info, send)

    def _admit(self, exchange: Exchange, *, ambiguous: bool) -> None:
        if exchange.path in RESERVED and exchange.method in _READING:
            raise ServiceError.of(404, "not_found", f"there is nothing at {exchange.path!r}")
        if ambiguous:  # R9: two framings in one request are an attempt to smuggle a second one
            message = "a request has Content-Length or Transfer-Encoding, not both"
            raise ServiceError.of(400, "ambiguous_framing", message, headers={"Connection": "close"})
        if self._refusing is not None:
            raise ServiceError(self._refusing, {"Connection": "close"})
        if not self._is_serving():
            message = f"{self._context.identity.name} is not ready yet; try again in a moment"
            raise ServiceError.of(503, "service_starting", message, retryable=True, retry_after=1.0)

    async def _cancelled(self, exchange: Exchange, send: Send) -> None:
        """A cancellation is ours (a cut), the client's (it left), or the server's own, which goes on."""
        task = asyncio.current_task()
        if task is None or (exchange.cut is None and not exchange.client_left):
            raise asyncio.CancelledError
        while task.cancelling():
            task.uncancel()
        if exchange.cut is not None and not exchange.client_left:
            await self._tell(exchange, exchange.cut, send)

    async def _tell(
        self, exchange: Exchange, info: ErrorInfo, send: Send, *, headers: dict[str, str] | None = None
    ) -> None:
        """Tell an error as far as the response's progress allows."""
        info = info.model_copy(update={"request_id": exchange.request_id})
        exchange.fields["error_code"] = info.code
        if not exchange.status:
            answer = error_answer(info, path=exchange.path, headers=headers)
            await respond(send, answer.status, answer.headers, answer.body)
        elif exchange.is_stream and not exchange.ended:
            await send({"type": "http.response.body", "body": error_events(info)})
        # Anything else has begun with a length: the missing rest tells the client that it was cut.

    def _outgoing(self, exchange: Exchange, send: Send) -> Send:
        context = self._context
        extra: Headers = [
            (b"x-request-id", exchange.request_id.encode("latin-1")),
            (b"x-content-type-options", b"nosniff"),
        ]

        async def outgoing(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = [*message.get("headers", ()), *extra]
                names = {name for name, _ in headers}
                for name, value in headers:
                    if name == b"content-type":
                        exchange.is_stream = value.startswith(b"text/event-stream")
                if b"cache-control" not in names:
                    headers.append((b"cache-control", b"no-store"))
                if self._refusing is not None and b"connection" not in names:
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            else:
                if exchange.first_byte is None and message.get("body"):
                    exchange.first_byte = context.clock()
                if not message.get("more_body"):
                    exchange.ended = True
            await send(message)

        return outgoing

    def _record(self, exchange: Exchange) -> None:
        """One access record and one measurement, at the end of the response."""
        now = self._context.clock()
        if exchange.client_left and not exchange.ended:
            exchange.status = exchange.status or _CLIENT_CLOSED
            exchange.fields["client_left"] = True
        self._metrics.observe(exchange, now=now)
        quiet = exchange.is_routine and exchange.status < 400
        write = self._context.log.debug if quiet else self._context.log.info
        with contextlib.suppress(Exception):  # the record must never fail the request it describes
            write(
                "request",
                method=exchange.method,
                path=exchange.path,
                status=exchange.status,
                seconds=round(now - exchange.started, 6),
                **exchange.fields,
            )
