"""uvicorn as the chassis uses it: no signal handlers, no log set-up, and idle limits that suit our clients."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._asgi import ASGIApp


class UvicornServer(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the chassis's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def uvicorn_server(app: ASGIApp) -> UvicornServer:
    """A server for `app` in the running event loop."""
    return UvicornServer(_config(app))


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",  # the loop runs already; the process's entry point chose it
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than any client of ours keeps a connection idle, so that the client closes first and no request is
        # sent into a connection that is just being closed.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,  # the chassis has ended every stream before; this is the last guard
    )
