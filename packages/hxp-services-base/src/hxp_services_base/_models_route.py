"""`GET /v1/models` and `GET /v1/models/{model}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from .chassis import ServiceError, respond

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .chassis import ASGIApp, Receive, Scope, Send


def _not_found(name: str) -> ServiceError:
    message = f"there is no model {name[:128]!r}; GET /v1/models lists what there is"
    return ServiceError.of(404, "model_not_found", message, param="model")


class ModelsRoute:
    """Lists the models that a service has.

    Args:
        names: Their names.
        created: Seconds of the epoch that stand as their date.
        missing: Returns the refusal of a name that is not among them; a 404 unless given.
    """

    def __init__(
        self, names: Sequence[str], *, created: int, missing: Callable[[str], ServiceError] = _not_found
    ) -> None:
        self._created = created
        self._missing = missing
        self.replace(names)

    def replace(self, names: Sequence[str]) -> None:
        """List other models from now on."""
        self._models: dict[str, dict[str, Any]] = {
            name: {"id": name, "object": "model", "created": self._created, "owned_by": "hxp"} for name in names
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
            raise self._missing(wanted)
        await respond(send, 200, [(b"content-type", b"application/json")], orjson.dumps(document))
