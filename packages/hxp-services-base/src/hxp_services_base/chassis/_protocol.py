"""HTTP/1.1 on one connection: parsed by httptools, bounded in bytes and time before any handler is asked.

Everything that a stranger can send is counted as it arrives: the head of a request, what waits behind it, the framing
of its body, its trailers, and what still comes after an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sys
import termios
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import unquote

import httptools

from ._cycle import Cycle, new_scope
from ._exchange import SCOPE_KEY
from ._head import TELLING, expects_continue, judge, read_target, refusal_of
from ._limits import LINGER_BYTES, LINGER_SECONDS, MAX_HEAD, MAX_HEADERS, MAX_PIPELINED, SLOWEST_CLIENT, WRITE_BUFFER
from ._refusal import (
    BROKEN,
    FULL,
    FULL_ADDRESS,
    LONG_FRAMING,
    LONG_HEAD,
    LONG_TARGET,
    MALFORMED,
    MANY_HEADERS,
    SLOW_HEAD,
    TOO_MANY_PIPELINED,
    Refusal,
)

if TYPE_CHECKING:
    from ._asgi import ASGIApp, Headers
    from ._connections import Connections

_NEVER = float("inf")
_FRAMING_PER_BYTE = 16
"""Bytes of chunk framing per byte of a body: enough for chunks of one byte, far too little for hidden text."""


class _Phase(Enum):
    WAITING = auto()
    HEAD = auto()
    SERVING = auto()
    LINGERING = auto()
    CLOSING = auto()


class _RefusedError(Exception):
    """Raised inside the parser's callbacks to stop it."""


class ServerState(Protocol):
    """What the connections of one server share; uvicorn's has this shape."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]
    default_headers: list[tuple[bytes, bytes]]
    total_requests: int


class HttpConnection(asyncio.Protocol):
    """One connection.

    Args:
        app: The ASGI app.
        connections: The registry of the server's connections, with their limits.
        state: What the connections of the server share.
    """

    def __init__(self, app: ASGIApp, connections: Connections, state: ServerState) -> None:
        self.address = ""
        self.deadline = _NEVER
        self.write_paused = False
        self.is_stalled = False
        self._app = app
        self._connections = connections
        self._limits = connections.limits
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._phase = _Phase.WAITING
        self._cycle: Cycle | None = None
        self._receiving: Cycle | None = None
        self._pipeline: deque[Cycle] = deque()
        self._refusal: Refusal | None = None
        self._last_words: Refusal | None = None
        self._deaf = False
        self._junk = 0
        self._read_paused = False
        self._writable: asyncio.Event | None = None
        self._stalled_since = self._paused_since = 0.0
        self._unread = self._unread_at_pause = 0
        # The message that is being read.
        self._url = b""
        self._headers: Headers = []
        self._telling: Headers = []
        self._in_head = False
        self._asks_upgrade = False
        self._message_ended = False
        self._trailers = self._trailer_bytes = 0
        self._framing = 0
        self._slice = self._body = self._body_of_slice = 0

    @property
    def dated(self) -> Headers:
        """Headers of every response of the server."""
        return self._state.default_headers

    # The transport calls these.

    def connection_made(self, transport: Any) -> None:
        """Take a new connection, or refuse it where there are too many."""
        self._transport = transport
        self._client = _address(transport.get_extra_info("peername"))
        self._server = _address(transport.get_extra_info("sockname"))
        self.address = self._client[0] if self._client else ""
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._state.connections.add(self)
        self.deadline = self._connections.clock() + self._limits.head_timeout
        limit = self._connections.admit(self)
        if limit is not None:
            self._refuse(FULL if limit == "capacity" else FULL_ADDRESS)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the transport passes it
        """Tell whoever still works for the client that it is gone."""
        self._connections.gone(self)
        self._state.connections.discard(self)
        self._deaf = True
        self._phase = _Phase.CLOSING
        self._disconnect()

    def _disconnect(self) -> None:
        self._pipeline.clear()
        if self._cycle is not None and not self._cycle.complete:
            self._cycle.disconnect()
        self.write_paused = self.is_stalled = False
        if self._writable is not None:
            self._writable.set()

    def eof_received(self) -> None:
        """Treat a client that closes its half as one that left."""
        self._disconnect()
        self._close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, never with more than it may buffer."""
        if len(data) <= MAX_HEAD:
            self._feed(data)
            return
        view = memoryview(data)
        for start in range(0, len(data), MAX_HEAD):
            self._feed(bytes(view[start : start + MAX_HEAD]))

    def _feed(self, data: bytes) -> None:
        if self._deaf:
            self._discard(len(data))
            return
        self._slice = len(data)
        self._body_of_slice = 0
        self._message_ended = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed_without_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            if self._deaf:  # more than the last request that the client announced
                self._discard(1)
            else:
                self._refuse(self._refusal or MALFORMED)
            return
        # Where a message has ended in these bytes, nobody knows how many of them belong to the next one.
        self._framing = 0 if self._message_ended else self._framing + len(data) - self._body_of_slice
        if self._framing > MAX_HEAD:
            self._judge_framing()
        if self._phase is _Phase.WAITING and not self._message_ended:
            self._phase = _Phase.HEAD
            if self._cycle is not None:
                self.deadline = self._connections.clock() + self._limits.head_timeout

    def _feed_without_upgrade(self, rest: bytes) -> None:
        """Read the request once more as if it had not asked for an upgrade (RFC 9110, section 7.8).

        The parser takes what follows such a head for another protocol, body or not: what is the body of this request
        would be read as the next one.
        """
        if not self._asks_upgrade:
            return
        self._asks_upgrade = False
        kept = [(name, value) for name, value in self._headers if name not in {b"upgrade", b"connection"}]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self._headers):
            kept.append((b"connection", b"close"))
        head = b"%b %b HTTP/%b\r\n" % (self._parser.get_method(), self._url, self._parser.get_http_version().encode())
        head += b"".join([b"%b: %b\r\n" % header for header in kept]) + b"\r\n"
        self._parser = httptools.HttpRequestParser(self)
        self._framing = 0
        self._feed(head + rest)

    def _judge_framing(self) -> None:
        if self._in_head:
            # Method, version and blanks are all that a request line has beside its target.
            self._refuse(LONG_TARGET if self._framing - len(self._url) < 64 else LONG_HEAD)
        elif self._framing > MAX_HEAD + _FRAMING_PER_BYTE * self._body:
            self._refuse(LONG_FRAMING)

    def _discard(self, size: int) -> None:
        """Read on for a moment after the last answer, so that a reset does not overtake it."""
        self._junk += size
        if self._junk > LINGER_BYTES:
            self.pause_reading()  # and closed when its moment is over: at once would take the answer away

    # The parser calls these.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._headers = []
        self._telling = []
        self._in_head = True
        self._trailers = self._trailer_bytes = self._body = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is counted, and is no header."""
        headers = self._headers
        if len(headers) >= MAX_HEADERS:
            self._stop_parser(MANY_HEADERS)
        if self._in_head:
            name = name.lower()
            headers.append((name, value))
            if name in TELLING:
                self._telling.append((name, value))
        else:
            self._trailers += 1
            if len(headers) + self._trailers > MAX_HEADERS:
                self._stop_parser(MANY_HEADERS)
            self._trailer_bytes += len(name) + len(value) + 4
            if self._trailer_bytes > MAX_HEAD:
                self._stop_parser(LONG_FRAMING)

    def on_headers_complete(self) -> None:
        """Judge the head, and start its handler."""
        parser, headers = self._parser, self._headers
        if parser.should_upgrade() and parser.get_method() != b"CONNECT":
            self._asks_upgrade = True
            return
        version = parser.get_http_version()
        method = parser.get_method().decode("ascii")
        target = read_target(self._url, method)
        refusal = judge(self._telling, version=version, method=method) or refusal_of(target)
        if refusal is not None or target is None:
            self._stop_parser(refusal or MALFORMED)
        if self._framing + self._slice > MAX_HEAD:
            self._measure_head(method)
        if target.authority is not None:  # it takes precedence over the Host header
            headers = [(name, target.authority if name == b"host" else value) for name, value in headers]
        path = target.path.decode("ascii")
        self._in_head = False
        scope = new_scope(
            method=method,
            http_version=version,
            path=unquote(path) if "%" in path else path,
            raw_path=target.path,
            query_string=target.query,
            headers=headers,
            client=self._client,
            server=self._server,
        )
        keep_alive = version == "1.1" and parser.should_keep_alive()
        self._begin(Cycle(self, scope, keep_alive=keep_alive, expects_continue=expects_continue(self._telling)))

    def _measure_head(self, method: str) -> None:
        """Measure a head that may be too long: not all of the bytes that came with it need be its own."""
        line = len(method) + len(self._url) + len("  HTTP/1.1\r\n")
        if line + sum([len(name) + len(value) + 4 for name, value in self._headers]) > MAX_HEAD:
            self._stop_parser(LONG_HEAD if line <= MAX_HEAD else LONG_TARGET)

    def _begin(self, cycle: Cycle) -> None:
        self._receiving = cycle
        if self._cycle is None or self._cycle.complete:
            self._start(cycle)
        elif len(self._pipeline) < MAX_PIPELINED:
            self._pipeline.append(cycle)
            self.pause_reading()
        else:
            self._receiving = None
            self._stop_parser(TOO_MANY_PIPELINED)

    def _start(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._phase = _Phase.SERVING
        self.deadline = _NEVER
        if cycle.more_body:
            self._connections.receiving(self)
        else:
            self._connections.busy(self)
        task = self._loop.create_task(cycle.run(self._app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def on_body(self, body: bytes) -> None:
        """Hand a part of the body on."""
        self._body += len(body)
        self._body_of_slice += len(body)
        if self._receiving is not None and not self._receiving.complete:
            self._receiving.add_body(body)

    def on_message_complete(self) -> None:
        """End the request; what follows is the next one, or nothing."""
        self._message_ended = True
        if self._asks_upgrade:
            return
        cycle = self._receiving
        if cycle is not None:
            cycle.end_body()
            if cycle is self._cycle:
                self._connections.busy(self)
            if not cycle.keep_alive:
                self._deaf = True

    def _stop_parser(self, refusal: Refusal) -> NoReturn:
        self._refusal = refusal
        raise _RefusedError

    # The cycle calls these.

    def write(self, data: bytes) -> None:
        """Send `data`, or buffer it."""
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has read most of what is buffered, or is gone."""
        if self._writable is not None:
            await self._writable.wait()

    def pause_reading(self) -> None:
        """Take nothing more from the client."""
        if not self._read_paused and not self._transport.is_closing():
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more from the client, unless enough requests wait already."""
        if self._read_paused and not self._pipeline and self._junk <= LINGER_BYTES and not self._transport.is_closing():
            self._read_paused = False
            self._transport.resume_reading()

    def response_complete(self, cycle: Cycle) -> None:
        """Go on with the next request, or close."""
        self._state.total_requests += 1
        if self._transport.is_closing():
            return
        if not cycle.keep_alive:
            if cycle.more_body or self._junk:
                self._linger()
            else:
                self._close()
        elif self._pipeline:
            self._start(self._pipeline.popleft())
            self.resume_reading()
        elif self._last_words is not None:
            self._say(self._last_words)
        else:
            self._await_request()

    def _await_request(self) -> None:
        now = self._connections.clock()
        if self._in_head:
            self._phase, self.deadline = _Phase.HEAD, now + self._limits.head_timeout
        else:
            self._phase, self.deadline = _Phase.WAITING, now + self._limits.keep_alive
        self._connections.idle(self)
        self.resume_reading()

    def broken_off(self, cycle: Cycle, error: BaseException | None) -> None:
        """End a response that its app did not complete: the client sees that it is broken off."""
        if isinstance(error, Exception):
            self._connections.failed(error)
        if cycle.disconnected:
            return
        cycle.disconnect()
        if cycle.started:
            self._close()
        else:
            self._say(BROKEN)

    # Ends.

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in the place of a handler, as far as answers under way allow, and close."""
        self._connections.refused(refusal.reason, self.address)
        self._deaf = True
        cycle = self._cycle
        if cycle is None or cycle.complete:
            self._say(refusal)
        elif self._receiving is cycle and cycle.more_body and not self._in_head:
            cycle.disconnect()
            if cycle.started:
                self._close()
            else:
                self._say(refusal)
        else:
            if self._pipeline and self._pipeline[-1].more_body:
                self._pipeline.pop()
            self._last_words = refusal

    def _say(self, refusal: Refusal) -> None:
        if not self._transport.is_closing():
            path = str(self._url[:2048], "latin-1")
            self._transport.write(refusal.encode(path=path, dated=self.dated))
            self._linger()

    def _linger(self) -> None:
        """Send the end of our half and read on for a moment: a close over unread bytes would reset the answer away."""
        self._deaf = True
        self._phase = _Phase.LINGERING
        self.deadline = self._connections.clock() + LINGER_SECONDS
        self._junk = 0
        self._connections.leaving(self)
        self.resume_reading()
        with contextlib.suppress(OSError, RuntimeError):
            self._transport.write_eof()

    def _close(self) -> None:
        """Close once everything is read, within the time limit for sending."""
        self._deaf = True
        self._phase = _Phase.CLOSING
        self.deadline = now = self._connections.clock()  # from now on its progress is looked at again and again
        if not self.is_stalled:
            self._watch_progress(now)
        self._connections.leaving(self)
        self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is unread."""
        self._deaf = True
        self._transport.abort()

    def shutdown(self) -> None:
        """Close when the request under way is answered; the server is about to end."""
        if self._phase is _Phase.SERVING and self._cycle is not None:
            self._pipeline.clear()
            self._cycle.keep_alive = False
        else:
            self._close()

    # Time.

    def pause_writing(self) -> None:
        """Let handlers wait: the client is behind."""
        self.write_paused = self.is_stalled = True
        self._writable = asyncio.Event()
        self._watch_progress(self._connections.clock())

    def _watch_progress(self, now: float) -> None:
        self._stalled_since = self._paused_since = now
        self._unread = self._unread_at_pause = _unread(self._transport)

    def resume_writing(self) -> None:
        """Let handlers go on."""
        self.write_paused = self.is_stalled = False
        if self._writable is not None:
            self._writable.set()

    def tick(self, now: float) -> None:
        """Look at the clock."""
        if self.is_stalled or self._phase is _Phase.CLOSING:
            self._judge_progress(now)
        elif self.deadline <= now:
            self._expire()

    def _judge_progress(self, now: float) -> None:
        unread = _unread(self._transport)
        if unread != self._unread:
            self._unread, self._stalled_since = unread, now
        limit = self._limits.send_timeout
        self._unread_at_pause = max(self._unread_at_pause, unread)
        slowest = 4 * limit + self._unread_at_pause / SLOWEST_CLIENT
        if now - self._stalled_since < limit and now - self._paused_since < slowest:
            return
        self._connections.refused("send_timeout", self.address)
        if self._cycle is not None and (exchange := self._cycle.scope.get(SCOPE_KEY)) is not None:
            exchange.fields["client_stalled"] = True
        self.is_stalled = False
        self._transport.abort()

    def _expire(self) -> None:
        self.deadline = _NEVER
        if self._phase is _Phase.HEAD:
            self._refuse(SLOW_HEAD)
        else:
            if self._phase is _Phase.WAITING and self._cycle is None:
                self._connections.count("silence")
            self._close()


def _unread(transport: Any) -> int:
    """Return how many bytes the client has not taken, those in the kernel included: they alone move for a while."""
    size: int = transport.get_write_buffer_size()
    with contextlib.suppress(OSError, ValueError):
        queued = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        size += int.from_bytes(queued, sys.byteorder)
    return size


def _address(found: Any) -> tuple[str, int] | None:
    """Return host and port of a socket's address; `None` for a socket that has none."""
    return (str(found[0]), int(found[1])) if isinstance(found, (tuple, list)) else None
