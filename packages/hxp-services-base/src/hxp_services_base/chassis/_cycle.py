"""One request and its response on a connection: the server's side of ASGI."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ._asgi import ASGIApp, Headers, Message, Scope

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
_BODY_AHEAD = 64 * 1024
"""Bytes of a body that wait for the handler before the client has to wait."""


class Wire(Protocol):
    """What a cycle needs of its connection."""

    write_paused: bool

    @property
    def dated(self) -> Headers:
        """Headers of every response of the server."""

    def write(self, data: bytes) -> None:
        """Send `data`, or buffer it."""

    async def drained(self) -> None:
        """Wait until the client has read most of what is buffered, or is gone."""

    def pause_reading(self) -> None:
        """Take nothing more from the client."""

    def resume_reading(self) -> None:
        """Take more from the client."""

    def response_complete(self, cycle: Cycle) -> None:
        """Go on with the next request, or close."""

    def broken_off(self, cycle: Cycle, error: BaseException | None) -> None:
        """End a response that its app did not complete, perhaps of an error."""


class Cycle:
    """A request under way.

    Args:
        wire: The connection.
        scope: The request.
        keep_alive: Whether the client wants the connection to stay.
        expects_continue: Whether the client waits for `100 Continue` before it sends its body.
    """

    __slots__ = (
        "_changed",
        "_chunked",
        "_expects_continue",
        "_head",
        "_parts",
        "_pending",
        "_rest",
        "_wire",
        "complete",
        "disconnected",
        "keep_alive",
        "more_body",
        "scope",
        "started",
    )

    def __init__(self, wire: Wire, scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.more_body = True
        self.disconnected = False
        self.started = False
        self.complete = False
        self._wire = wire
        self._expects_continue = expects_continue
        self._changed = asyncio.Event()
        self._parts: list[bytes] = []
        self._pending = 0
        self._head = b""  # of the response, not sent yet
        self._chunked: bool | None = None
        self._rest = 0

    async def run(self, app: ASGIApp) -> None:
        """Call the app; the client gets an answer or an end, whatever the app does."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            self._break_off(error)
            if not isinstance(error, Exception):
                raise
        else:
            if not self.complete and not self.disconnected:
                self._break_off(None)

    def _break_off(self, error: BaseException | None) -> None:
        """End an answer that the app did not complete; a head that it sent is shown, so that the cut is seen."""
        head, self._head = self._head, b""
        if head and not self.disconnected:
            self._wire.write(head)
        self._wire.broken_off(self, error)

    def add_body(self, data: bytes) -> None:
        """Take the next bytes of the request's body."""
        self._parts.append(data)
        self._pending += len(data)
        if self._pending > _BODY_AHEAD:
            self._wire.pause_reading()
        self._changed.set()

    def end_body(self) -> None:
        """Note that the body is whole."""
        self.more_body = False
        self._changed.set()

    def disconnect(self) -> None:
        """Note that the client is gone."""
        self.disconnected = True
        self._changed.set()

    async def receive(self) -> Message:
        """Return the next part of the body, or wait for the client to leave."""
        if self._expects_continue and not self.started and not self.disconnected:
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._expects_continue = False
        if not self.disconnected and not self.complete:
            self._wire.resume_reading()
            await self._changed.wait()
            self._changed.clear()
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts, self._pending = [], 0
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """Send the head or a part of the body; waits while the client is behind.

        Raises:
            RuntimeError: If the messages contradict each other.
        """
        wire = self._wire
        if wire.write_paused and not self.disconnected:
            await wire.drained()
        if self.disconnected:
            return
        if self.complete:
            raise RuntimeError(f"{message['type']!r} after the end of the response")
        if not self.started:
            self._start(message)
        else:
            self._continue(message)

    def _start(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"a response begins with 'http.response.start', not {message['type']!r}")
        status: int = message["status"]
        # What is left of a body that nobody read cannot be told from the next request for sure: the connection ends.
        keep_alive = self.keep_alive and not self.more_body
        lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        closes = False
        for name, value in (*self._wire.dated, *message.get("headers", ())):
            lower = name.lower()
            if lower == b"content-length" and self._chunked is None:
                self._rest, self._chunked = int(value), False
            elif lower == b"transfer-encoding" and value.lower() == b"chunked":
                self._rest, self._chunked = 0, True
            elif lower == b"connection" and b"close" in value.lower():
                keep_alive, closes = False, True
            lines.append(b"%s: %s\r\n" % (lower, value))
        if not keep_alive and not closes:
            lines.append(b"connection: close\r\n")
        if self._chunked is None and self.scope["method"] != "HEAD" and status not in {204, 304}:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise RuntimeError("a response header holds a line break or a NUL")
        self.started, self.keep_alive = True, keep_alive
        self._head = head + b"\r\n"  # sent with the first part of the body, in one call to the kernel

    def _continue(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            raise RuntimeError(f"a response goes on with 'http.response.body', not {message['type']!r}")
        body: bytes = message.get("body", b"")
        more_body: bool = message.get("more_body", False)
        frame = b""
        if self.scope["method"] == "HEAD":
            self._rest = 0
        elif self._chunked:
            frame = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            if not more_body:
                frame += b"0\r\n\r\n"
        elif len(body) > self._rest:
            raise RuntimeError("the response is longer than its Content-Length")
        else:
            self._rest -= len(body)
            frame = body
        if self._head or frame:
            self._wire.write(self._head + frame if self._head else frame)
            self._head = b""
        if more_body:
            return
        if self._rest:
            raise RuntimeError("the response is shorter than its Content-Length")
        self.complete = True
        self._changed.set()
        self._wire.response_complete(self)


def new_scope(**known: Any) -> Scope:
    """Return the scope of a request, with what is the same for all."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "scheme": "http",
        "root_path": "",
        "state": {},
        **known,
    }
