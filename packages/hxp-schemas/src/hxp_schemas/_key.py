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
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    id: str = Field(pattern=r"^key_[0-9A-HJKMNP-TV-Z]{26}$", examples=["key_01JD3Q0V5T8Z4M6N7P9R2S1W3X"])
    name: str = Field(max_length=256)
    digest: str = Field(pattern=r"^[0-9a-f]{64,128}$", repr=False, examples=["0f" * 32])
    created_at: UTCDateTime
    revoked_at: UTCDateTime | None = None
    development: bool = False


class KeySnapshot(pydantic.BaseModel):
    """All keys at one moment; `version` grows with every change."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    version: int = Field(ge=0)
    keys: list[KeyRecord] = []
