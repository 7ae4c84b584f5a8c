"""A call between services and its answer, as records: for queues, batches, journals and tests."""

from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, JsonValue, model_validator

from ._base import BaseModel
from ._error import ErrorInfo
from ._identity import new_id
from ._version import VersionName

T = TypeVar("T")

_Name = Annotated[str, Field(min_length=1, max_length=128)]
_Value = Annotated[str, Field(max_length=4096)]


class APIRequest(BaseModel):
    """A call, independent of how it came in.

    Attributes:
        id: `req_` and a ULID, unless the caller brought one.
        path: Begins with a slash.
        query: The parameters, each with its values in order.
        body: JSON; None for a call without a body.
        version: The version of the API that was asked for.
        idempotency_key: Two calls with the same key are one (`Idempotency-Key`).
        timeout: Seconds that the caller will wait.

    Example:
        >>> APIRequest(method="GET", path="/v1/models").status
        'received'
    """

    model_config = ConfigDict(defer_build=True, extra="forbid")

    id: str = Field(default_factory=lambda: new_id("req"), pattern=r"^[A-Za-z0-9._:-]{1,128}$")
    status: str = Field(default="received", min_length=1, max_length=64)
    method: Literal["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]
    path: str = Field(pattern=r"^/[!-~]*$", max_length=2048, examples=["/v1/models"])
    query: dict[_Name, list[_Value]] = Field(default={}, max_length=64)
    body: JsonValue = None
    version: VersionName | None = None
    idempotency_key: str | None = Field(default=None, pattern=r"^[!-~]{1,255}$")
    timeout: float | None = Field(default=None, gt=0, le=86_400)


class APIResponse(BaseModel, Generic[T]):
    """The answer to an `APIRequest`: data or an error, never both.

    Attributes:
        request_id: The id of the request.
        http_status: As it went over the wire.
        duration: Seconds that the answer took.

    Example:
        >>> APIResponse[int](request_id="req_1", data=3).http_status
        200
        >>> APIResponse[int].failed("req_1", ErrorInfo(code="gone", message="It left.", status=410)).http_status
        410
    """

    model_config = ConfigDict(defer_build=True, extra="forbid")

    id: str = Field(default_factory=lambda: new_id("res"), min_length=1, max_length=128)
    request_id: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$", examples=["req_01JD3Q0V5T8Z4M6N7P9R2S1W3X"])
    http_status: int = Field(default=200, ge=100, le=599)
    data: T | None = None
    error: ErrorInfo | None = None
    version: VersionName | None = None
    duration: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if self.error and self.data is not None:
            raise ValueError("a response holds data or an error, not both")
        if (self.error is not None) != (self.http_status >= 400):
            raise ValueError(f"status {self.http_status} {'has no' if self.error else 'needs an'} error")
        return self

    @classmethod
    def failed(cls, request_id: str, error: ErrorInfo) -> Self:
        """Answer a request with an error, and with the error's status."""
        return cls(request_id=request_id, status="error", http_status=error.status, error=error)
