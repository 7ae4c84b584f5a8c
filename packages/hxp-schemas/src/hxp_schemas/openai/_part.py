"""The parts that the content of a chat message is made of, told apart by their type."""

from typing import Annotated, Literal

from pydantic import Field

from hxp_schemas._wire import WireModel

from ._bounds import Base64, Identifier, ShortText, Text, Url
from ._cache import PromptCacheBreakpoint
from ._union import Tagged


class ChatCompletionContentPartTextParam(WireModel):
    """A text."""

    type: Literal["text"]
    text: Text
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ImageURL(WireModel):
    """Where an image is: a URL, or the image itself in a `data:` URL."""

    url: Url
    detail: Literal["auto", "low", "high"] | None = None


class ChatCompletionContentPartImageParam(WireModel):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageURL
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class InputAudio(WireModel):
    """A recording in base64."""

    data: Base64
    format: Literal["wav", "mp3"]


class ChatCompletionContentPartInputAudioParam(WireModel):
    """A recording."""

    type: Literal["input_audio"]
    input_audio: InputAudio
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class FileFile(WireModel):
    """A file, by its id or in base64."""

    filename: ShortText | None = None
    file_data: Base64 | None = None
    file_id: Identifier | None = None


class ChatCompletionContentPartFileParam(WireModel):
    """A file."""

    type: Literal["file"]
    file: FileFile
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ChatCompletionContentPartRefusalParam(WireModel):
    """What the model said earlier instead of an answer."""

    type: Literal["refusal"]
    refusal: Text


ChatCompletionContentPartParam = Annotated[
    ChatCompletionContentPartTextParam
    | ChatCompletionContentPartImageParam
    | ChatCompletionContentPartInputAudioParam
    | ChatCompletionContentPartFileParam,
    Tagged("type"),
]
"""Any part of what a user says."""

ChatCompletionAssistantContentPartParam = Annotated[
    ChatCompletionContentPartTextParam | ChatCompletionContentPartRefusalParam, Tagged("type")
]
"""Any part of what the model said earlier."""

TextParts = Annotated[list[ChatCompletionContentPartTextParam], Field(min_length=1, max_length=4096, fail_fast=True)]
UserParts = Annotated[list[ChatCompletionContentPartParam], Field(min_length=1, max_length=4096, fail_fast=True)]
AssistantParts = Annotated[
    list[ChatCompletionAssistantContentPartParam], Field(min_length=1, max_length=4096, fail_fast=True)
]
