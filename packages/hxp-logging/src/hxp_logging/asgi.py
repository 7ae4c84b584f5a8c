"""Correlation for any ASGI application, without a framework.

Example:
    >>> from hxp_logging.asgi import CorrelationMiddleware
    >>> async def app(scope, receive, send):
    ...     await send({"type": "http.response.start", "status": 204, "headers": []})
    ...     await send({"type": "http.response.body"})
    >>> app = CorrelationMiddleware(app)
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

from . import _default
from ._baggage import Baggage
from ._context import span_context
from ._correlation import TraceContext, accept_request_id, correlation

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ._flight import Flight
    from ._logging import Logging

__all__ = ["CorrelationMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PICKED = (b"x-request-id", b"traceparent", b"tracestate", b"baggage")
_JOINED = frozenset({b"tracestate", b"baggage"})
_FAILURE = b'{"error":{"code":"internal_error","message":"the server failed; the request id finds the cause"}}'


class CorrelationMiddleware:
    """Gives every request an id and a place in its trace, on all of its lines and on its answer.

    Exception handlers, background tasks and the end of a stream still belong to the request. An exception that nobody
    handled is logged, answered with a 500 that carries the id if nothing was answered yet, and raised on, as servers
    expect. Put it outermost.

    Args:
        app: Any ASGI application.
        logging: Whose level rules and flight recorder apply; the process default's, unless given.
        logger: Logs the exceptions that nobody handled.
        access: Whether each request is told in a line of its own when it ends.
        monotonic: Seconds, never set back.
    """

    def __init__(
        self,
        app: App,
        *,
        logging: "Logging | None" = None,
        logger: str = "hxp.access",
        access: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._logging = logging
        self._logger = logger
        self._access = access
        self._now = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = _pick(scope)
        request_id = accept_request_id(headers[b"x-request-id"])
        trace = None
        if span_context() is None:  # else OpenTelemetry keeps the trace, and every line looks at its current span
            trace = TraceContext.from_header(headers[b"traceparent"], headers[b"tracestate"]).child()
        baggage = Baggage.from_header(headers[b"baggage"]) if headers[b"baggage"] else None
        logging = self._logging or _default.DEFAULT.logging
        logging.refresh()
        with correlation(request_id, trace, baggage=baggage), _flight(logging) as flight:
            exchange = _Exchange(scope, send, request_id)
            began = self._now()
            try:
                await self._app(scope, receive, exchange.send)
            except Exception as error:
                log = logging.get_logger(self._logger)
                log.error("request failed", method=scope.get("method"), path=scope["path"], exc_info=error)
                await exchange.fail()
                raise
            finally:
                if flight is not None and exchange.status >= 500:
                    flight.keep()
                if self._access:
                    logging.get_logger(self._logger).info(
                        "request",
                        method=scope.get("method"),
                        path=scope["path"],
                        status=exchange.status or None,  # None: the client left before there was an answer
                        seconds=round(self._now() - began, 6),
                    )


class _Exchange:
    """The answer of one request, on its way out."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = (b"x-request-id", request_id.encode())
        self._is_http = scope["type"] == "http"
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send a message on; the first one carries the request id."""
        if message["type"] == "websocket.close" and not self.status:
            self.status = 403  # what a server answers if there was no handshake yet
        if message["type"] in {"http.response.start", "websocket.accept", "websocket.http.response.start"}:
            self.status = message.get("status", 101)
            headers = [pair for pair in message.get("headers") or () if pair[0].lower() != b"x-request-id"]
            message = {**message, "headers": [*headers, self._request_id]}
        await self._send(message)

    async def fail(self) -> None:
        """Answer with a 500, unless something was answered already."""
        if self.status or not self._is_http:
            self.status = self.status or 500
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_FAILURE))]
        with suppress(Exception):  # the client may be gone: what the application raised matters more
            await self.send({"type": "http.response.start", "status": 500, "headers": headers})
            await self.send({"type": "http.response.body", "body": _FAILURE})


def _pick(scope: Scope) -> dict[bytes, str | None]:
    """Read the headers that matter; of those that may come in several parts, all parts."""
    picked: dict[bytes, str | None] = dict.fromkeys(_PICKED)
    for name, value in scope["headers"]:
        if name in picked:
            text = value.decode("latin-1")
            before = picked[name]
            picked[name] = f"{before},{text}" if before is not None and name in _JOINED else text
    return picked


def _flight(logging: "Logging") -> "AbstractContextManager[Flight | None]":
    return logging.flight() if logging.has_recorder else nullcontext()
