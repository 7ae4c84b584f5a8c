"""How likely the tokens of an answer were."""

from typing import Annotated

from pydantic import Field

from hxp_schemas._wire import WireModel, Written


class TopLogprob(WireModel):
    """A token that could have stood there."""

    token: str
    logprob: float
    bytes: Annotated[list[int] | None, Written()] = None


class ChatCompletionTokenLogprob(WireModel):
    """A token of the answer, with those that could have stood there."""

    token: str
    logprob: float
    bytes: Annotated[list[int] | None, Written()] = None
    top_logprobs: list[TopLogprob] | None = Field(default=[])


class ChoiceLogprobs(WireModel):
    """The tokens of one answer."""

    content: Annotated[list[ChatCompletionTokenLogprob] | None, Written()] = None
    refusal: Annotated[list[ChatCompletionTokenLogprob] | None, Written()] = None
