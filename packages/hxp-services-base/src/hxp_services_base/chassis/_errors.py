"""Errors leave in the caller's dialect: the OpenAI envelope under `/v1`, problem+json elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from hxp_schemas import ErrorInfo, ErrorInfoError, sse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._asgi import Headers

# The official client gives up at once when asked to wait longer than this (its own limit is 120 s).
_LONGEST_RETRY_AFTER = 120


class ServiceError(ErrorInfoError):
    """A request is answered with an error; raise it anywhere below the chassis.

    Example:
        >>> raise ServiceError.of(404, "model_not_found", "there is no model 'x'", param="model")
        Traceback (most recent call last):
        ...
        hxp_services_base.chassis._errors.ServiceError: 404 model_not_found: there is no model 'x'
    """

    def __init__(self, info: ErrorInfo, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(info)
        self.headers = dict(headers or {})

    @classmethod
    def of(
        cls, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **details: Any
    ) -> ServiceError:
        """Build the error from its parts.

        Args:
            status: The HTTP status.
            code: The stable code of the catalogue.
            message: What was wrong and what to do.
            headers: Further response headers, such as `Allow`.
            **details: `param`, `retryable`, `retry_after`, `type` of `ErrorInfo`.
        """
        return cls(ErrorInfo(code=code, message=message, status=status, **details), headers)


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """A whole error response.

    Attributes:
        status: The HTTP status.
        headers: With content type, and `Retry-After`, `x-should-retry`, `WWW-Authenticate` where they apply.
        body: The encoded document.
    """

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""


def is_openai_path(path: str) -> bool:
    """Whether callers of `path` expect the OpenAI envelope."""
    return path == "/v1" or path.startswith("/v1/")


def error_answer(info: ErrorInfo, *, path: str, headers: Mapping[str, str] | None = None) -> ErrorAnswer:
    """The response that tells `info` to a caller of `path`."""
    openai = is_openai_path(path)
    document = info.to_openai() if openai else info.to_problem()
    out: Headers = [(b"content-type", b"application/json" if openai else b"application/problem+json")]
    if info.retry_after is not None:
        seconds = min(max(1, math.ceil(info.retry_after)), _LONGEST_RETRY_AFTER)
        out.append((b"retry-after", b"%d" % seconds))
    if info.status in {408, 409, 429} or info.status >= 500:
        out.append((b"x-should-retry", b"true" if info.retryable else b"false"))
    if info.status == 401:
        out.append((b"www-authenticate", b'Bearer realm="hxp"'))
    out += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return ErrorAnswer(info.status, out, orjson.dumps(document))


def error_events(info: ErrorInfo) -> bytes:
    """The frames that end an event stream which has begun: the error, then the protocol's end."""
    return sse.encode(orjson.dumps(info.to_openai())) + sse.DONE
