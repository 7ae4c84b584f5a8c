"""Tools that a chat request offers to the model."""

from typing import Annotated, Any

from pydantic import Field

from ._bounds import RequestModel


class FunctionDefinition(RequestModel):
    """A function that the model may ask to be called."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    description: Annotated[str, Field(max_length=16_384)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatCompletionToolParam(RequestModel):
    """A tool; other kinds than `function` pass through as they are."""

    type: str = Field(min_length=1, max_length=64)
    function: FunctionDefinition | None = None
