"""The record that most of what we store or answer derives from."""

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

import pydantic
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from ._error import ErrorInfo
from ._identity import new_id

T = TypeVar("T")


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range in UTC") from error


UTCDateTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""A point in time: refused without a zone, kept in UTC."""


class BaseModel(pydantic.BaseModel):
    """A record with an identity, a time and a status.

    Example:
        >>> BaseModel(id="rec_1", status="done").status
        'done'
    """

    model_config = ConfigDict(defer_build=True, extra="allow")

    id: str = Field(default_factory=lambda: new_id("rec"), min_length=1, max_length=128)
    timestamp: UTCDateTime = Field(default_factory=lambda: datetime.now(UTC))
    status: str = Field(default="success", min_length=1, max_length=64)


class ServiceResponse(BaseModel, Generic[T]):
    """What a service answers to a service: the data, or why there is none.

    Example:
        >>> ServiceResponse[int](data=3).data
        3
    """

    data: T | None = None
    error: ErrorInfo | None = None
