"""What a server answers to a completion request, whole and in chunks."""

from typing import Annotated, Literal

from hxp_schemas._open import OpenEnum
from hxp_schemas._wire import WireModel, Written

from ._usage import CompletionUsage


class Logprobs(WireModel):
    """How likely the tokens of a completion were, in four lists of one length."""

    text_offset: list[int] | None = None
    token_logprobs: list[float | None] | None = None
    tokens: list[str] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class CompletionChoice(WireModel):
    """One answer of a completion."""

    index: int = 0
    text: str
    logprobs: Annotated[Logprobs | None, Written()] = None
    finish_reason: Annotated[OpenEnum[Literal["stop", "length", "content_filter"]] | None, Written()] = None


class Completion(WireModel):
    """The answer to a completion request, and one event of its stream."""

    id: str
    object: OpenEnum[Literal["text_completion"]] = "text_completion"
    created: int | float | None = 0
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
