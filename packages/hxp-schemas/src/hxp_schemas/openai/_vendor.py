"""vLLM's parameters beyond OpenAI's: flat beside OpenAI's own on its wire, here also in a namespace of their own.

The names are those of vLLM's `ChatCompletionRequest` and `CompletionRequest`, the older `guided_*` included.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, FiniteFloat

from hxp_schemas._wire import WireModel

from ._bounds import Identifier, JsonObject, Probability, ShortText, Text, TokenId, TopLogprobs

_NAMESPACE = "vllm"
_TokenList = Annotated[list[TokenId], Field(max_length=4096, fail_fast=True)]
_Choices = Annotated[list[ShortText], Field(min_length=1, max_length=4096, fail_fast=True)]
_Pattern = Annotated[str, Field(max_length=65_536)]


class VLLMParams(WireModel):
    """What vLLM takes beside OpenAI's parameters, each within bounds.

    Example:
        >>> VLLMParams.of({"model": "m", "top_k": 40, "temperature": 0.5}).to_json()
        b'{"top_k":40}'
    """

    top_k: Annotated[int, Field(ge=-1, le=1_000_000)] | None = None
    min_p: Probability | None = None
    repetition_penalty: Annotated[FiniteFloat, Field(gt=0, le=10)] | None = None
    length_penalty: Annotated[FiniteFloat, Field(ge=-10, le=10)] | None = None
    use_beam_search: bool | None = None
    min_tokens: Annotated[int, Field(ge=0, le=1_048_576)] | None = None
    stop_token_ids: _TokenList | None = None
    include_stop_str_in_output: bool | None = None
    ignore_eos: bool | None = None
    bad_words: _Choices | None = None
    allowed_token_ids: Annotated[list[TokenId], Field(max_length=1_048_576, fail_fast=True)] | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    truncate_prompt_tokens: Annotated[int, Field(ge=-1, le=16_777_216)] | None = None
    prompt_logprobs: TopLogprobs | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    documents: Annotated[list[JsonObject], Field(max_length=1024, fail_fast=True)] | None = None
    chat_template: Text | None = None
    chat_template_kwargs: JsonObject | None = None
    mm_processor_kwargs: JsonObject | None = None
    structured_outputs: JsonObject | None = None
    guided_json: Text | JsonObject | None = None
    guided_regex: _Pattern | None = None
    guided_choice: _Choices | None = None
    guided_grammar: Text | None = None
    guided_decoding_backend: ShortText | None = None
    guided_whitespace_pattern: _Pattern | None = None
    structural_tag: Text | None = None
    include_reasoning: bool | None = None
    priority: Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)] | None = None
    request_id: Identifier | None = None
    cache_salt: Identifier | None = None
    return_tokens_as_token_ids: bool | None = None
    return_token_ids: bool | None = None
    kv_transfer_params: JsonObject | None = None
    vllm_xargs: JsonObject | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "VLLMParams":
        """Read the parameters from a request's body, in whichever form they are there.

        Raises:
            pydantic.ValidationError: One is out of bounds.
            ValueError: The body has both forms at once.
        """
        return cls.model_validate(to_namespace(body).get(_NAMESPACE, {}))


def to_namespace(body: Mapping[str, Any]) -> dict[str, Any]:
    """Move vLLM's flat parameters of a request's body into the namespace; without any, no namespace is made.

    Raises:
        ValueError: The body has a namespace and flat parameters.

    Example:
        >>> to_namespace({"model": "m", "top_k": 40, "ignore_eos": None})
        {'model': 'm', 'vllm': {'top_k': 40, 'ignore_eos': None}}
    """
    known = VLLMParams.model_fields
    inside = {name: value for name, value in body.items() if name in known}
    if not inside:
        return dict(body)
    if _NAMESPACE in body:
        raise ValueError(f"{min(inside)!r} stands both in {_NAMESPACE!r} and beside it; keep one of the two forms")
    return {**{name: value for name, value in body.items() if name not in known}, _NAMESPACE: inside}


def to_flat(body: Mapping[str, Any]) -> dict[str, Any]:
    """Move the parameters of the namespace to where vLLM wants them; the other way round from `to_namespace`.

    Raises:
        ValueError: The namespace is no object, or holds a field that the body has, too, or one of OpenAI's own: it
            would come past the bounds that the request has for it.

    Example:
        >>> to_flat({"model": "m", "vllm": {"top_k": 40}})
        {'model': 'm', 'top_k': 40}
    """
    outside = {name: value for name, value in body.items() if name != _NAMESPACE}
    inside = body.get(_NAMESPACE, {})
    if not isinstance(inside, Mapping):
        raise ValueError(f"{_NAMESPACE!r} must be an object")  # noqa: TRY004 - what a caller sent, not how it was called
    if twice := sorted(outside.keys() & inside.keys()):
        raise ValueError(f"{twice[0]!r} stands both in {_NAMESPACE!r} and beside it; keep one of the two forms")
    if theirs := sorted(inside.keys() & _openai_names() - VLLMParams.model_fields.keys()):
        raise ValueError(f"{theirs[0]!r} is no parameter of {_NAMESPACE!r}; it stands beside it")
    return {**outside, **inside}


def _openai_names() -> set[str]:
    """The fields of the requests that carry vLLM's parameters."""
    from ._chat import ChatCompletionRequest  # noqa: PLC0415 - only for whoever goes back to the flat form
    from ._completion import CompletionRequest  # noqa: PLC0415 - as above

    return {*ChatCompletionRequest.model_fields, *CompletionRequest.model_fields}
