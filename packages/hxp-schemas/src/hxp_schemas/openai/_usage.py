"""What a request used, in tokens; also of other servers, which say more or less."""

from hxp_schemas._wire import WireModel


class PromptTokensDetails(WireModel):
    """What the tokens of the prompt were."""

    audio_tokens: int | None = None
    cached_tokens: int | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionTokensDetails(WireModel):
    """What the tokens of the answer were."""

    accepted_prediction_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None
    text_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class CompletionUsage(WireModel):
    """Tokens that a request used.

    Example:
        >>> CompletionUsage(prompt_tokens=3, completion_tokens=4, total_tokens=7).to_json()
        b'{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}'
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
