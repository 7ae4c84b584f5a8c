"""The few fields of a request that a gateway routes, limits or bills; everything else passes untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
from hxp_services_base.chassis import ServiceError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

_Tokens = Annotated[int, Field(ge=1, le=1_048_576, strict=True)]


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")

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
        body: What goes upstream: the client's bytes, with the usage event asked for where it streams.
    """

    __slots__ = ("body", "is_stream", "model", "wants_usage")

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
        self.body = body
        if self.is_stream and not self.wants_usage:
            self.body = _asking_for_usage(body, has_options=fields.stream_options is not None)


def _asking_for_usage(body: bytes, *, has_options: bool) -> bytes:
    """The same request, asking for the usage event, which is what the stream is billed by."""
    if not has_options and b'"stream_options"' not in body:
        start = body.index(b"{") + 1
        return b'%b"stream_options":{"include_usage":true},%b' % (body[:start], body[start:])
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:  # stricter than the reader above, for example about lone surrogates
        raise ServiceError.of(400, "invalid_json", f"the body is not valid JSON: {error}") from None
    document["stream_options"] = {**(document.get("stream_options") or {}), "include_usage": True}
    return orjson.dumps(document)


def _refusal(errors: Sequence[Any]) -> ServiceError:
    first = errors[0]
    if not first["loc"]:
        reason = first["ctx"]["error"] if first["type"] == "json_invalid" else "it is not an object"
        return ServiceError.of(400, "invalid_json", f"the body is not a JSON object: {reason}")
    param = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return ServiceError.of(400, "missing_required_parameter", f"{param}: is required", param=param)
    return ServiceError.of(400, "invalid_value", f"{param}: {first['msg']}", param=param)
