"""Probes from a thread and a socket of their own, so that load on the event loop cannot delay them."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ._operations import Operations


class _Handler(BaseHTTPRequestHandler):
    operations: ClassVar[Operations]
    timeout = 5.0

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        answer = self.operations.answer(path, query)
        if answer is None:
            self.send_error(404)
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type.decode("latin-1"))
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Probes come every second; they are not news."""


class ProbeServer:
    """Serves `operations` on `host:port` from a daemon thread until closed.

    Args:
        operations: What to answer.
        host: The address to bind.
        port: The port to bind; 0 takes a free one.

    Raises:
        OSError: If the port cannot be bound.
    """

    def __init__(self, operations: Operations, *, host: str, port: int) -> None:
        handler = type("_BoundHandler", (_Handler,), {"operations": operations})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="probes", daemon=True
        )
        self._thread.start()

    @property
    def host(self) -> str:
        """The address that is bound."""
        return str(self._server.server_address[0])

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
