"""What a server answers in the Responses API."""

from typing import Annotated, Any, Literal

from pydantic import Field

from hxp_schemas._open import OpenEnum
from hxp_schemas._wire import WireModel, Written

from ._response_item import ResponseOutputItem, ResponseOutputMessage, ResponseOutputText


class InputTokensDetails(WireModel):
    """What the tokens of the input were."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(WireModel):
    """What the tokens of the output were."""

    reasoning_tokens: int = 0


class ResponseUsage(WireModel):
    """Tokens that a response used."""

    input_tokens: int = 0
    input_tokens_details: InputTokensDetails | None = None
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails | None = None
    total_tokens: int = 0


ResponseErrorCode = OpenEnum[
    Literal[
        "server_error",
        "rate_limit_exceeded",
        "invalid_prompt",
        "data_residency_mismatch",
        "bio_policy",
        "vector_store_timeout",
        "invalid_image",
        "invalid_image_format",
        "invalid_base64_image",
        "invalid_image_url",
        "image_too_large",
        "image_too_small",
        "image_parse_error",
        "image_content_policy_violation",
        "invalid_image_mode",
        "image_file_too_large",
        "unsupported_image_media_type",
        "empty_image_file",
        "failed_to_download_image",
        "image_file_not_found",
    ]
]
"""Why a response failed."""


class ResponseError(WireModel):
    """Why a response failed."""

    code: Annotated[ResponseErrorCode | None, Written()] = None
    message: str


class IncompleteDetails(WireModel):
    """Why a response stopped early."""

    reason: OpenEnum[Literal["max_output_tokens", "content_filter"]] | None = None


ResponseStatus = OpenEnum[Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]]


class Reasoning(WireModel):
    """How hard the model thought."""

    effort: OpenEnum[Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]] | None = None
    summary: OpenEnum[Literal["auto", "concise", "detailed"]] | None = None
    generate_summary: OpenEnum[Literal["auto", "concise", "detailed"]] | None = None
    mode: OpenEnum[Literal["standard", "pro"]] | None = None
    context: OpenEnum[Literal["auto", "current_turn", "all_turns"]] | None = None


class Response(WireModel):
    """The answer to a Responses request, also as the events of a stream carry it.

    Example:
        >>> Response.model_validate_json(
        ...     '{"id": "resp_1", "created_at": 1, "model": "m", "output": [{"type": "message", "id": "msg_1", '
        ...     '"content": [{"type": "output_text", "text": "Hi"}]}]}'
        ... ).output_text
        'Hi'
    """

    id: str
    object: OpenEnum[Literal["response"]] = "response"
    created_at: int | float
    status: ResponseStatus | None = None
    background: bool | None = None
    completed_at: int | float | None = None
    conversation: dict[str, Any] | None = None
    error: Annotated[ResponseError | None, Written()] = None
    incomplete_details: Annotated[IncompleteDetails | None, Written()] = None
    instructions: Annotated[str | list[Any] | None, Written()] = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: list[ResponseOutputItem]
    parallel_tool_calls: bool | None = True
    previous_response_id: str | None = None
    prompt: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: OpenEnum[Literal["in_memory", "24h"]] | None = None
    reasoning: Reasoning | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    temperature: Annotated[float | None, Written()] = None
    text: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = "auto"
    tools: list[dict[str, Any]] | None = Field(default=[])
    top_logprobs: int | None = None
    top_p: Annotated[float | None, Written()] = None
    truncation: OpenEnum[Literal["auto", "disabled"]] | None = None
    usage: ResponseUsage | None = None
    user: str | None = None
    metadata: Annotated[dict[str, Any] | None, Written()] = None

    @property
    def output_text(self) -> str:
        """All text of all messages, joined."""
        return "".join(
            part.text
            for item in self.output
            if isinstance(item, ResponseOutputMessage)
            for part in item.content
            if isinstance(part, ResponseOutputText)
        )
