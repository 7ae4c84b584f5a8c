"""uvicorn as the chassis uses it: our own connections, no signal handlers, no log set-up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import uvicorn

from ._protocol import HttpConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from ._asgi import ASGIApp
    from ._connections import Connections
    from ._protocol import ServerState


class UvicornServer(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the chassis's business.

    Args:
        config: How it serves.
        connections: The connections whose time it watches.
    """

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Watch the connections' time, ten times a second."""
        self._connections.sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and leave no connection behind whose client does not read."""
        await super().shutdown(sockets)
        connections: set[Any] = self.server_state.connections
        for connection in tuple(connections):
            connection.abort()
        await asyncio.sleep(0)  # aborted transports close in the next round


def uvicorn_server(app: ASGIApp, connections: Connections) -> UvicornServer:
    """A server for `app` in the running event loop."""
    return UvicornServer(_config(app, connections), connections)


def _config(app: Any, connections: Connections) -> uvicorn.Config:
    def connection(*, server_state: ServerState, **_: Any) -> asyncio.Protocol:
        return HttpConnection(app, connections, server_state)

    http: Any = connection  # uvicorn calls it like a class
    return uvicorn.Config(
        app,
        loop="none",  # the loop runs already; the process's entry point chose it
        http=http,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=connections.limits.backlog,
        timeout_graceful_shutdown=1,  # the chassis has ended every stream before; this is the last guard
    )
