"""One error, told in the dialect of whoever asks.

`ErrorInfo` is what the program passes about. It leaves as an OpenAI envelope (`to_openai`), as RFC 9457 problem
details (`to_problem`) or as AIP-193's status (`to_aip193`), and `from_response` reads back whatever an upstream said.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import pydantic
from pydantic import ConfigDict, Field

from ._error_code import ERROR_CATALOGUE, RETRYABLE_STATUS, ErrorCode, error_type
from ._response import read_error
from ._said import SaidError, read_document, safe_id


class OpenAIError(pydantic.BaseModel):
    """The inside of OpenAI's error envelope; all four fields are always written."""

    model_config = ConfigDict(defer_build=True, extra="allow", hide_input_in_errors=True)

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(pydantic.BaseModel):
    """OpenAI's error envelope."""

    model_config = ConfigDict(defer_build=True, extra="allow", hide_input_in_errors=True)

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

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow", hide_input_in_errors=True)

    code: str = Field(min_length=1)
    message: str
    status: int = Field(ge=400, le=599)
    type: str = Field(default_factory=lambda known: error_type(known.get("status", 500)))
    param: str | None = None
    retryable: bool = Field(default_factory=lambda known: known.get("status") in RETRYABLE_STATUS)
    retry_after: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    request_id: str | None = None
    metadata: dict[str, str] = {}

    @classmethod
    def of(cls, code: ErrorCode, message: str, **details: Any) -> "ErrorInfo":
        """Make an error of the catalogue, which knows its status, type and whether to try again.

        Args:
            code: A code of the catalogue.
            message: What was wrong and what to do.
            **details: Other fields of `ErrorInfo`.

        Example:
            >>> ErrorInfo.of(ErrorCode.MODEL_NOT_FOUND, "No model 'x'.", param="model").status
            404
        """
        known = ERROR_CATALOGUE[code]
        fixed = {"status": known.status, "type": known.type, "retryable": known.retryable}
        return cls(code=code.value, message=message, **(fixed | details))

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
            "error_type": None if self.type == error_type(self.status) else self.type,
            "request_id": self.request_id,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "metadata": dict(self.metadata) or None,
        }
        return {name: value for name, value in problem.items() if value is not None}

    def to_aip193(self) -> dict[str, Any]:
        """Return `google.rpc.Status` in its JSON form (AIP-193), with details for what they exist for."""
        from ._rpc_status import write_status  # noqa: PLC0415 - most errors leave in another dialect

        own = {} if self.type == error_type(self.status) else {"type": self.type}
        if self.retryable != (self.status in RETRYABLE_STATUS):
            own["retryable"] = "true" if self.retryable else "false"
        return write_status(self, own=own)

    def to_headers(self) -> dict[str, str]:
        """Return the response headers for what OpenAI's envelope has no field for; an unsafe id is left out.

        Example:
            >>> ErrorInfo(code="x", message="y", status=503, retry_after=1.5).to_headers()
            {'x-should-retry': 'true', 'retry-after': '2', 'retry-after-ms': '1500'}
        """
        headers = {"x-should-retry": "true" if self.retryable else "false"}
        if self.retry_after is not None:
            headers["retry-after"] = str(math.ceil(self.retry_after))
            headers["retry-after-ms"] = f"{self.retry_after * 1000:.6f}".rstrip("0").removesuffix(".")
        if (request_id := safe_id(self.request_id)) is not None:
            headers["x-request-id"] = request_id
        return headers

    @classmethod
    def from_response(cls, status: int, body: bytes, headers: Mapping[str, str]) -> "ErrorInfo":
        """Read an upstream's failure, whatever its dialect; never raises.

        OpenAI's envelope, vLLM's (whose `code` is a number), llama.cpp's, RFC 9457, AIP-193, FastAPI's `detail` and
        plain `{"error": "text"}` are understood; anything else becomes a generic message that quotes nothing.

        Args:
            status: The HTTP status; outside 400..599 it is told as 502.
            body: The body as it came.
            headers: The response headers, in any case.
        """
        status = status if 400 <= status <= 599 else 502
        return cls._of_said(status, read_error(status, body, headers))

    @classmethod
    def from_document(cls, document: object, *, status: int | None = None) -> "ErrorInfo":
        """Read an error document of any dialect that is already parsed, such as an event of a stream; never raises.

        Args:
            document: The whole document, not only what is under `error`.
            status: The HTTP status, if there was one; else the document's own, else 500.

        Example:
            >>> ErrorInfo.from_document({"error": {"message": "No.", "type": "t", "param": None, "code": 404}}).status
            404
        """
        said = read_document(document)
        return cls._of_said(status or said.status or 500, said)

    @classmethod
    def _of_said(cls, status: int, said: SaidError) -> "ErrorInfo":
        return cls(
            code=said.code or f"http_{status}",
            message=said.message or f"The upstream answered {status} {_title(status)}.",
            status=status,
            type=said.type or error_type(status),
            param=said.param,
            retryable=status in RETRYABLE_STATUS if said.retryable is None else said.retryable,
            retry_after=said.retry_after,
            request_id=said.request_id,
            metadata=said.metadata,
        )


class ErrorInfoError(Exception):
    """An `ErrorInfo` on its way up; `info` holds it."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info)
        self.info = info

    def __str__(self) -> str:
        return f"{self.info.status} {self.info.code}: {self.info.message}"


def _title(status: int) -> str:
    from http import HTTPStatus  # noqa: PLC0415 - an enum of sixty members, for the rare case

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Server Error" if status >= 500 else "Client Error"
