"""Operations from a thread and a socket of their own, so that load on the event loop cannot delay them.

The thread runs an event loop with the same connections as the service's own port: bounded in number, in bytes and in
time. However many clients there are, there is one thread.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from hxp_schemas import ErrorInfo

from ._asgi import respond
from ._errors import error_answer
from ._last_resort import LastResort
from ._ports import bind
from ._protocol import HttpConnection

if TYPE_CHECKING:
    import socket

    from ._asgi import Receive, Scope, Send
    from ._connections import Connections
    from ._operations import Operations

_STOP_SECONDS = 5.0


@dataclass(slots=True)
class _State:
    """What the connections of the server share."""

    connections: set[Any] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    default_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    total_requests: int = 0


class ProbeServer:
    """Serves `operations` on `host:port` from a daemon thread until closed.

    Args:
        operations: What to answer.
        connections: The registry of its connections; used by the thread alone.
        host: The address to bind.
        port: The port to bind; 0 takes a free one.

    Raises:
        OSError: If the port cannot be bound.
    """

    def __init__(self, operations: Operations, connections: Connections, *, host: str, port: int) -> None:
        self._operations = operations
        self._connections = connections
        self._state = _State()
        self._listener = listener = bind(host, port)
        self._last_resort = LastResort(operations)
        self._rescue: asyncio.Task[None] | None = None
        self.host = host
        self.port = int(listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._failed)
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="probes", daemon=True)
        self._thread.start()

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        server = await self._loop.create_server(
            lambda: HttpConnection(self._answer, self._connections, self._state),
            sock=listener,
            backlog=self._connections.limits.backlog,
        )
        watch = asyncio.create_task(self._watch(), name="probe-connections")
        try:
            await self._ended.wait()
        finally:
            watch.cancel()
            if self._rescue is not None:
                self._rescue.cancel()
                await asyncio.gather(self._rescue, return_exceptions=True)
            server.close()
            self._last_resort.close()
            for connection in tuple(self._state.connections):
                connection.abort()
            await asyncio.sleep(0)  # aborted transports close in the next round

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what the loop reports at a bounded rate: without a free descriptor it is every accept."""
        error = context.get("exception") or RuntimeError(context["message"])
        self._connections.failed(error)
        is_short = isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}
        if not is_short or "socket" not in context:
            return
        self._last_resort.extend(now=self._loop.time())
        if self._rescue is None or self._rescue.done():
            self._rescue = self._loop.create_task(self._last_resort.serve(self._listener), name="last-resort")

    async def _watch(self) -> None:
        while True:
            self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            self._connections.sweep()
            await asyncio.sleep(self._connections.limits.interval)

    async def _answer(self, scope: Scope, _receive: Receive, send: Send) -> None:
        answer = self._operations.answer(scope["path"], str(scope["query_string"], "latin-1"))
        if answer is not None and scope["method"] in {"GET", "HEAD"}:
            await respond(send, answer.status, [(b"content-type", answer.content_type)], answer.body)
            return
        if answer is None:
            info = ErrorInfo(code="not_found", message=f"there is nothing at {scope['path'][:200]!r}", status=404)
            refusal = error_answer(info, path=scope["path"])
        else:
            info = ErrorInfo(code="method_not_allowed", message="use GET or HEAD", status=405)
            refusal = error_answer(info, path=scope["path"], headers={"Allow": "GET, HEAD"})
        await respond(send, refusal.status, refusal.headers, refusal.body)

    def close(self) -> None:
        """Stop answering and free the port."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_STOP_SECONDS)
