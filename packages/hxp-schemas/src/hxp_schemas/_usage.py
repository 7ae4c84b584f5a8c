"""What a request used, on its way from the gateway's journal to the ledger."""

from typing import Annotated, Literal

import pydantic
from pydantic import ConfigDict, Field

from ._base import UTCDateTime

UsageStatus = Literal["completed", "failed", "cancelled", "truncated", "unknown"]
_Tokens = Annotated[int, Field(ge=0, lt=1 << 53)]


class UsageRecord(pydantic.BaseModel):
    """One settled request; `request_id` is its identity, so that sending it twice counts once.

    Attributes:
        estimated: Whether the tokens are an estimate, because the engine has not said how many there were.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    request_id: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$", examples=["req_01JD3Q0V5T8Z4M6N7P9R2S1W3X"])
    key_id: str | None = Field(default=None, max_length=128)
    model: str = Field(max_length=256)
    endpoint: str = Field(max_length=128)
    status: UsageStatus
    http_status: int | None = Field(default=None, ge=100, le=599)
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0
    estimated: bool = False
    started_at: UTCDateTime
    finished_at: UTCDateTime | None = None
    stream: bool = False
    upstream: str | None = Field(default=None, max_length=256)
    error_code: str | None = Field(default=None, max_length=128)


class UsageBatch(pydantic.BaseModel):
    """Between one and a thousand records."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    records: list[UsageRecord] = Field(min_length=1, max_length=1000)


class UsageReceipt(pydantic.BaseModel):
    """What the ledger did with a batch."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    accepted: int = Field(ge=0)
    duplicates: int = Field(ge=0)
