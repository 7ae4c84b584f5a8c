"""What a key may spend, and the shares of it that gateways hold.

A gateway leases a share of a budget from the ledger and spends it without a round trip per request; what is left when
the lease ends goes back. Money is an integer of millionths of the currency's unit.
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

import pydantic
from pydantic import ConfigDict, Field, model_validator

from ._base import UTCDateTime
from ._identity import new_id

Amount = Annotated[int, Field(ge=0, lt=1 << 53)]
BudgetUnit = Literal["requests", "tokens", "micro_usd", "micro_eur"]


class Budget(pydantic.BaseModel):
    """A limit on what a subject spends in a period.

    Attributes:
        subject: Whose: the id of a key or a tenant.
        unit: What is counted; money in millionths.
        limit: How much may be spent in one period.
        period: Seconds; None for a budget that is never refilled.
        used: Spent in the present period.
        leased: Handed out to gateways and not settled yet.
        period_started_at: Start of the present period.

    Example:
        >>> budget = Budget(subject="key_1", unit="tokens", limit=1000, used=200, leased=300,
        ...                 period_started_at="2026-11-23T00:00:00Z")
        >>> budget.available
        500
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    id: str = Field(default_factory=lambda: new_id("bud"), pattern=r"^bud_[0-9A-HJKMNP-TV-Z]{26}$")
    subject: str = Field(min_length=1, max_length=128)
    unit: BudgetUnit
    limit: Amount
    period: float | None = Field(default=None, ge=1, le=366 * 86_400)
    used: Amount = 0
    leased: Amount = 0
    period_started_at: UTCDateTime

    @property
    def available(self) -> int:
        """What can still be leased; an overspent budget has nothing, not less."""
        return max(0, self.limit - self.used - self.leased)


class Lease(pydantic.BaseModel):
    """A share of a budget in the hands of one gateway until a moment.

    Attributes:
        budget_id: The budget it was taken from.
        holder: The gateway.
        granted: How much it may spend.
        spent: How much it has spent; may exceed `granted` by the last request, whose length nobody knew.
        expires_at: When what is left goes back.

    Example:
        >>> lease = Lease(budget_id="bud_01JD3Q0V5T8Z4M6N7P9R2S1W3X", holder="gateway-1", granted=100, spent=30,
        ...               granted_at="2026-11-23T12:00:00Z", expires_at="2026-11-23T12:01:00Z")
        >>> lease.remaining
        70
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    id: str = Field(default_factory=lambda: new_id("lease"), pattern=r"^lease_[0-9A-HJKMNP-TV-Z]{26}$")
    budget_id: str = Field(pattern=r"^bud_[0-9A-HJKMNP-TV-Z]{26}$", examples=["bud_01JD3Q0V5T8Z4M6N7P9R2S1W3X"])
    holder: str = Field(min_length=1, max_length=128)
    granted: Amount
    spent: Amount = 0
    granted_at: UTCDateTime
    expires_at: UTCDateTime

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if not timedelta(0) < self.expires_at - self.granted_at <= timedelta(days=1):
            raise ValueError("a lease lasts longer than nothing and a day at most")
        return self

    @property
    def remaining(self) -> int:
        """What may still be spent."""
        return max(0, self.granted - self.spent)
