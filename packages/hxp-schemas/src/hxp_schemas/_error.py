"""One error, told in the dialect of whoever asks.

`ErrorInfo` is what the program passes about. It leaves as an OpenAI envelope (`to_openai`) or as RFC 9457
problem details (`to_problem`), and `from_response` reads back whatever an upstream said.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

import pydantic
from pydantic import ConfigDict, Field

from ._response import read_error

RETRYABLE_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_type(status: int) -> str:
    """Name the OpenAI error type that goes with an HTTP status."""
    return _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")


class OpenAIError(pydantic.BaseModel):
    """The inside of OpenAI's error envelope; all four fields are always written."""

    model_config = ConfigDict(defer_build=True, extra="allow")

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(pydantic.BaseModel):
    """OpenAI's error envelope."""

    model_config = ConfigDict(defer_build=True, extra="allow")

    error: OpenAIError


class ErrorInfo(pydantic.BaseModel):
    """What went wrong, for programs (`code`) and people (`message`).

    Attributes:
        code: Stable and machine-readable, such as `model_not_found`.
        status: The HTTP status.
        type: OpenAI's error type; derived from the status unless given.
        param: The request field at fault, such as `messages.0.content`.
        retryable: Whether the same request may succeed later; derived from the status unless given.
        retry_after: Seconds to wait before the next attempt.
        metadata: Further facts that are safe to show to the caller.

    Example:
        >>> ErrorInfo(code="model_not_found", message="No 'x'.", status=404).to_openai()["error"]["type"]
        'invalid_request_error'
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    code: str = Field(min_length=1)
    message: str
    status: int = Field(ge=400, le=599)
    type: str = Field(default_factory=lambda known: error_type(known.get("status", 500)))
    param: str | None = None
    retryable: bool = Field(default_factory=lambda known: known.get("status") in RETRYABLE_STATUS)
    retry_after: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    request_id: str | None = None
    metadata: dict[str, str] = {}

    def to_openai(self) -> dict[Literal["error"], dict[str, str | None]]:
        """Return OpenAI's envelope; the request id travels in a header, not in here."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def to_problem(self, instance: str | None = None) -> dict[str, Any]:
        """Return RFC 9457 problem details.

        Args:
            instance: A URI reference that identifies this occurrence.
        """
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": _title(self.status),
            "status": self.status,
            "detail": self.message,
            "instance": instance,
            "code": self.code,
            "param": self.param,
            "request_id": self.request_id,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "metadata": dict(self.metadata) or None,
        }
        return {name: value for name, value in problem.items() if value is not None}

    @classmethod
    def from_response(cls, status: int, body: bytes, headers: Mapping[str, str]) -> "ErrorInfo":
        """Read an upstream's failure, whatever its dialect; never raises.

        OpenAI's envelope, vLLM's (whose `code` is a number), llama.cpp's, FastAPI's `detail` and plain
        `{"error": "text"}` are understood; anything else becomes a generic message that quotes nothing.

        Args:
            status: The HTTP status; outside 400..599 it is told as 502.
            body: The body as it came.
            headers: The response headers, in any case.
        """
        status = status if 400 <= status <= 599 else 502
        said = read_error(status, body, headers)
        retryable = status in RETRYABLE_STATUS if said.should_retry is None else said.should_retry
        return cls(
            code=said.code or f"http_{status}",
            message=said.message or f"The upstream answered {status} {_title(status)}.",
            status=status,
            type=said.type or error_type(status),
            param=said.param,
            retryable=retryable,
            retry_after=said.retry_after,
            request_id=said.request_id,
        )


class ErrorInfoError(Exception):
    """An `ErrorInfo` on its way up; `info` holds it."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info)
        self.info = info

    def __str__(self) -> str:
        return f"{self.info.status} {self.info.code}: {self.info.message}"


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Server Error" if status >= 500 else "Client Error"
