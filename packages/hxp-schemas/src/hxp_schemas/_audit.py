"""Why the services did what they did: decisions on requests, and changes made by people."""

from typing import Annotated, Literal

import pydantic
from pydantic import ConfigDict, Field, JsonValue

from ._base import UTCDateTime
from ._identity import new_id

_RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$", examples=["req_01JD3Q0V5T8Z4M6N7P9R2S1W3X"])]
_Name = Annotated[str, Field(min_length=1, max_length=256)]


class AuditEvent(pydantic.BaseModel):
    """One change that somebody made; written with the change, in one transaction.

    Attributes:
        id: `audit_` and a ULID, so that events sort by time.
        actor: Who: a principal's id, or the name of a command.
        action: What, a noun and a verb: `key.create`.
        subject: To what: an id.
        detail: More about it; never a secret.

    Example:
        >>> AuditEvent(at="2026-11-23T12:00:00Z", actor="hxp keys", action="key.create", subject="key_1").detail
        {}
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    id: str = Field(default_factory=lambda: new_id("audit"), pattern=r"^audit_[0-9A-HJKMNP-TV-Z]{26}$")
    at: UTCDateTime
    actor: _Name
    action: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){1,3}$", examples=["key.create"])
    subject: _Name
    outcome: Literal["allowed", "denied", "failed"] = "allowed"
    request_id: _RequestId | None = None
    detail: dict[_Name, JsonValue] = Field(default={}, max_length=64)


class DecisionRecord(pydantic.BaseModel):
    """Why a request went where it went, or was refused: the answer to "why was my request slow or denied?".

    Attributes:
        kind: What was decided.
        outcome: What came out: the name of an upstream, `denied`, `shed`.
        reason: A stable code such as `budget_exceeded`.
        considered: The candidates that lost, each with the reason.

    Example:
        >>> record = DecisionRecord(request_id="req_1", at="2026-11-23T12:00:00Z", kind="route", outcome="tiny",
        ...                         reason="only_candidate")
        >>> record.considered
        {}
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    request_id: _RequestId
    at: UTCDateTime
    kind: Literal["admission", "authentication", "budget", "limit", "retry", "route"]
    outcome: _Name
    reason: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["only_candidate"])
    considered: dict[_Name, Annotated[str, Field(max_length=256)]] = Field(default={}, max_length=64)
    duration: float = Field(default=0.0, ge=0, allow_inf_nan=False)
