"""What the server answers; tolerant and lossless, since other servers write it too."""

from typing import Annotated, Any

import pydantic
from pydantic import ConfigDict, Field

_Tokens = Annotated[int, Field(ge=0, lt=1 << 53)]


class ResponseModel(pydantic.BaseModel):
    """What every part of a response shares: unknown fields are kept."""

    model_config = ConfigDict(defer_build=True, extra="allow", protected_namespaces=())


class CompletionUsage(ResponseModel):
    """Tokens that a request used."""

    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0
    total_tokens: _Tokens = 0
    prompt_tokens_details: dict[str, Any] | None = None
    completion_tokens_details: dict[str, Any] | None = None


class ChatCompletionMessage(ResponseModel):
    """What the model said."""

    role: str = "assistant"
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Choice(ResponseModel):
    """One answer of a chat completion."""

    index: int = 0
    message: ChatCompletionMessage
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class ChatCompletion(ResponseModel):
    """The answer to a chat request."""

    id: str
    object: str = "chat.completion"
    created: int = 0
    model: str
    choices: list[Choice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None


class ChoiceDelta(ResponseModel):
    """What a chunk adds to a message."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class ChunkChoice(ResponseModel):
    """One answer's share of a chunk."""

    index: int = 0
    delta: ChoiceDelta = Field(default_factory=ChoiceDelta)
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class ChatCompletionChunk(ResponseModel):
    """One event of a chat stream; the usage chunk has no choices."""

    id: str
    object: str = "chat.completion.chunk"
    created: int = 0
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None


class CompletionChoice(ResponseModel):
    """One answer of a completion."""

    index: int = 0
    text: str
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class Completion(ResponseModel):
    """The answer to a completion request, and one event of its stream."""

    id: str
    object: str = "text_completion"
    created: int = 0
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None


class Embedding(ResponseModel):
    """One vector; base64 text if that was asked for."""

    object: str = "embedding"
    index: int = 0
    embedding: list[float] | str


class EmbeddingUsage(ResponseModel):
    """Tokens that an embedding request used."""

    prompt_tokens: _Tokens = 0
    total_tokens: _Tokens = 0


class CreateEmbeddingResponse(ResponseModel):
    """The answer to an embedding request."""

    object: str = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage = Field(default_factory=EmbeddingUsage)


class Model(ResponseModel):
    """A model that the server offers."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "hxp"


class ModelList(ResponseModel):
    """The answer to `GET /v1/models`."""

    object: str = "list"
    data: list[Model]
