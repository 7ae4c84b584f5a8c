"""`GET /v1/models` and `GET /v1/models/{model}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from .chassis import ServiceError, respond

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .chassis import ASGIApp, Receive, Scope, Send


class ModelsRoute:
    """Lists the models that a service has.

    Args:
        names: Their names.
        created: Seconds of the epoch that stand as their date.
    """

    def __init__(self, names: Sequence[str], *, created: int) -> None:
        self._models: dict[str, dict[str, Any]] = {
            name: {"id": name, "object": "model", "created": created, "owned_by": "hxp"} for name in names
        }

    def paths(self) -> dict[str, tuple[str, ASGIApp]]:
        """Its entries in a table of paths."""
        return {"/v1/models": ("GET", self), "/v1/models/{rest}": ("GET", self)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Answer one request."""
        wanted: str | None = scope.get("path_params", {}).get("rest")
        if wanted is None:
            document: dict[str, Any] = {"object": "list", "data": list(self._models.values())}
        elif (found := self._models.get(wanted)) is not None:
            document = found
        else:
            raise ServiceError.of(
                404,
                "model_not_found",
                f"there is no model {wanted[:128]!r}; GET /v1/models lists what there is",
                param="model",
            )
        await respond(send, 200, [(b"content-type", b"application/json")], orjson.dumps(document))
