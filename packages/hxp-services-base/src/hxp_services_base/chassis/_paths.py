"""A table of paths, for services whose routes are plain ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import ServiceError
from ._exchange import exchange_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._asgi import ASGIApp, Receive, Scope, Send


class Paths:
    """Calls the endpoint that a path stands for; 404 and 405 (with `Allow`) are told in the caller's dialect.

    A path that ends in `/{rest}` matches everything below it, and the endpoint finds what `rest` stood for in
    `scope["path_params"]`.

    Args:
        endpoints: Method and endpoint for each path.
    """

    def __init__(self, endpoints: Mapping[str, tuple[str, ASGIApp]]) -> None:
        self._exact = {path: route for path, route in endpoints.items() if not path.endswith("/{rest}")}
        self._below = {
            path.removesuffix("{rest}"): route for path, route in endpoints.items() if path.endswith("/{rest}")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope["path"]
        route = self._exact.get(path)
        template = path
        if route is None:
            for prefix, candidate in self._below.items():
                if path.startswith(prefix) and len(path) > len(prefix):
                    route, template = candidate, prefix + "{rest}"
                    scope["path_params"] = {"rest": path.removeprefix(prefix)}
        if route is None:
            raise ServiceError.of(404, "not_found", f"there is nothing at {path[:200]!r}")
        exchange_of(scope).route = template
        method, endpoint = route
        if scope["method"] != method:
            message = f"{scope['method'][:16]} is not allowed here; use {method}"
            raise ServiceError.of(405, "method_not_allowed", message, headers={"Allow": method})
        await endpoint(scope, receive, send)
