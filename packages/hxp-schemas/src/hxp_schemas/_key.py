"""API keys as they are stored and handed round: never the key, only a keyed digest of it."""

import pydantic
from pydantic import ConfigDict, Field

from ._base import UTCDateTime


class KeyRecord(pydantic.BaseModel):
    """One API key.

    Attributes:
        id: `key_` and a ULID.
        digest: HMAC of the key under the deployment's pepper, in lower-case hex.
        development: Whether the key was made for development; such a key is refused on a public bind.
        team: Who shares limits, caches and bills with this key; without one, the key stands alone.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    id: str = Field(pattern=r"^key_[0-9A-HJKMNP-TV-Z]{26}$", examples=["key_01JD3Q0V5T8Z4M6N7P9R2S1W3X"])
    name: str = Field(max_length=256)
    digest: str = Field(pattern=r"^[0-9a-f]{64,128}$", repr=False, examples=["0f" * 32])
    created_at: UTCDateTime
    revoked_at: UTCDateTime | None = None
    development: bool = False
    team: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["search"])

    @property
    def tenant(self) -> str:
        """The team where there is one, else the key itself."""
        return self.id if self.team is None else self.team


class KeySnapshot(pydantic.BaseModel):
    """Keys at one moment; `version` grows with every change.

    Attributes:
        version: The version that the keys belong to; a reader asks for what has changed since it.
        keys: All keys, or those that changed since the version that was asked for.
        more: Whether further keys changed up to the newest version; ask again, from `version` on.
        full: Whether the keys begin anew, so that all others are to be forgotten.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    version: int = Field(ge=0)
    keys: list[KeyRecord] = []
    more: bool = False
    full: bool = False
