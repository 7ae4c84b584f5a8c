"""OpenAI's wire format, under the names of the `openai` package: strict requests, tolerant responses."""

from typing import TYPE_CHECKING

from hxp_schemas._lazy import lazy_exports

if TYPE_CHECKING:
    from ._chat import ChatCompletionRequest, StreamOptions
    from ._completion import CompletionRequest
    from ._embedding import EmbeddingRequest
    from ._message import (
        ChatCompletionAssistantMessageParam,
        ChatCompletionContentPartParam,
        ChatCompletionFunctionMessageParam,
        ChatCompletionMessageParam,
        ChatCompletionSystemMessageParam,
        ChatCompletionToolMessageParam,
        ChatCompletionUserMessageParam,
    )
    from ._parse import parse_request
    from ._response import (
        ChatCompletion,
        ChatCompletionChunk,
        ChatCompletionMessage,
        Choice,
        ChoiceDelta,
        ChunkChoice,
        Completion,
        CompletionChoice,
        CompletionUsage,
        CreateEmbeddingResponse,
        Embedding,
        EmbeddingUsage,
        Model,
        ModelList,
    )
    from ._tool import ChatCompletionToolParam, FunctionDefinition
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_chat": ("ChatCompletionRequest", "StreamOptions"),
            "_completion": ("CompletionRequest",),
            "_embedding": ("EmbeddingRequest",),
            "_message": (
                "ChatCompletionAssistantMessageParam",
                "ChatCompletionContentPartParam",
                "ChatCompletionFunctionMessageParam",
                "ChatCompletionMessageParam",
                "ChatCompletionSystemMessageParam",
                "ChatCompletionToolMessageParam",
                "ChatCompletionUserMessageParam",
            ),
            "_parse": ("parse_request",),
            "_response": (
                "ChatCompletion",
                "ChatCompletionChunk",
                "ChatCompletionMessage",
                "Choice",
                "ChoiceDelta",
                "ChunkChoice",
                "Completion",
                "CompletionChoice",
                "CompletionUsage",
                "CreateEmbeddingResponse",
                "Embedding",
                "EmbeddingUsage",
                "Model",
                "ModelList",
            ),
            "_tool": ("ChatCompletionToolParam", "FunctionDefinition"),
        },
    )

__all__ = [
    "ChatCompletion",
    "ChatCompletionAssistantMessageParam",
    "ChatCompletionChunk",
    "ChatCompletionContentPartParam",
    "ChatCompletionFunctionMessageParam",
    "ChatCompletionMessage",
    "ChatCompletionMessageParam",
    "ChatCompletionRequest",
    "ChatCompletionSystemMessageParam",
    "ChatCompletionToolMessageParam",
    "ChatCompletionToolParam",
    "ChatCompletionUserMessageParam",
    "Choice",
    "ChoiceDelta",
    "ChunkChoice",
    "Completion",
    "CompletionChoice",
    "CompletionRequest",
    "CompletionUsage",
    "CreateEmbeddingResponse",
    "Embedding",
    "EmbeddingRequest",
    "EmbeddingUsage",
    "FunctionDefinition",
    "Model",
    "ModelList",
    "StreamOptions",
    "parse_request",
]
