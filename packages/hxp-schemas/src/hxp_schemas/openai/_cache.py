"""How the prompt of a request is cached."""

from typing import Literal

from hxp_schemas._wire import WireModel


class PromptCacheOptions(WireModel):
    """How the prompt is cached."""

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m"] | None = None


class PromptCacheBreakpoint(WireModel):
    """Where a cached prefix of the prompt ends."""

    mode: Literal["explicit"]
