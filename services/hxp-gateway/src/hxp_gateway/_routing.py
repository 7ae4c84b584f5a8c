"""The few fields of a request that a gateway routes, limits or bills; everything else passes untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
from hxp_services_base.chassis import ServiceError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ._document import insert_member, replace_member

if TYPE_CHECKING:
    from collections.abc import Sequence

_Tokens = Annotated[int, Field(ge=1, le=1_048_576, strict=True)]


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    include_usage: bool | None = None


class _Fields(BaseModel):
    """Decoding only these costs a small part of decoding the whole request; the model service validates the rest."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    model: Annotated[str, Field(min_length=1, max_length=256, strict=True)]
    stream: Annotated[bool, Field(strict=True)] | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=128, strict=True)] | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    dimensions: Annotated[int, Field(ge=1, le=65_536, strict=True)] | None = None


class RoutedRequest:
    """A request as the gateway sees it.

    Attributes:
        model: The model asked for.
        is_stream: Whether an event stream is wanted.
        wants_usage: Whether the client asked for the usage event.
        received: The client's bytes.
        body: The bytes for the upstream: the client's own, with the usage event asked for where it streams.
    """

    __slots__ = ("body", "is_stream", "model", "received", "wants_usage")

    def __init__(self, body: bytes) -> None:
        """Read the routing fields of `body`.

        Raises:
            ServiceError: 400, naming the field, if one is missing or out of bounds, or the body is no JSON object.
        """
        try:
            fields = _Fields.model_validate_json(body)
        except ValidationError as error:
            raise _refusal(error.errors(include_url=False, include_input=False)) from None
        self.model = fields.model
        self.is_stream = bool(fields.stream)
        self.wants_usage = bool(fields.stream_options and fields.stream_options.include_usage)
        self.received = self.body = body
        if self.is_stream and not self.wants_usage:
            self.body = _asking_for_usage(body, fields)

    @property
    def asks_on_its_own(self) -> bool:
        """Whether the usage event is asked for by the gateway, and not by the client."""
        return self.body is not self.received


def _asking_for_usage(body: bytes, fields: _Fields) -> bytes:
    """Return the same request, asking for the usage event, which is what the stream is billed by."""
    if "stream_options" not in fields.model_fields_set:
        return insert_member(body, "stream_options", b'{"include_usage":true}')
    options = {**(fields.stream_options.model_dump() if fields.stream_options else {}), "include_usage": True}
    try:
        return replace_member(body, "stream_options", orjson.dumps(options))
    except ValueError as error:
        raise ServiceError.of(400, "invalid_json", f"the body is not a JSON object: {error}") from None


def _refusal(errors: Sequence[Any]) -> ServiceError:
    first = errors[0]
    if not first["loc"]:
        reason = first["ctx"]["error"] if first["type"] == "json_invalid" else "it is not an object"
        return ServiceError.of(400, "invalid_json", f"the body is not a JSON object: {reason}")
    param = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return ServiceError.of(400, "missing_required_parameter", f"{param}: is required", param=param)
    return ServiceError.of(400, "invalid_value", f"{param}: {first['msg']}", param=param)
