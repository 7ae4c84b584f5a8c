"""Embeddings: many texts in one request, worked off one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ._tap import TokenCount, token_count
from .chassis import ServiceError

if TYPE_CHECKING:
    from ._admission import Permit
    from ._ai_model import AIModelSettings
    from .engines import Engine

_PATH = "/v1/embeddings"
_BYTES_PER_TOKEN = 4


def refuse_oversized(texts: Any, settings: AIModelSettings) -> None:
    """Refuse more texts or tokens than a request may have; of texts the tokens are estimated, four bytes each.

    Raises:
        ServiceError: 400.
    """
    pieces = pieces_of(texts)
    if len(pieces) > settings.embedding_texts:
        message = f"input: {len(pieces)} texts are more than the {settings.embedding_texts} of one request; send fewer"
        raise ServiceError.of(400, "invalid_value", message, param="input")
    if sum(map(_estimate, pieces)) > settings.embedding_tokens:
        raise _too_many_tokens(settings)


async def embedded(
    engine: Engine, payload: dict[str, Any], permit: Permit, settings: AIModelSettings
) -> tuple[bytes, TokenCount]:
    """Embed each text with a request of its own.

    llama.cpp ends no embedding that it has begun, and puts several texts into every slot that is free: one at a time
    leaves the rest undone when nobody waits any more, and lets other requests in between.
    """
    pieces = pieces_of(payload["input"])
    if len(pieces) == 1:
        body = await _embed(engine, payload, permit)
        return body, token_count(orjson.loads(body).get("usage"))
    data: list[dict[str, Any]] = []
    document: dict[str, Any] = {}
    tokens = 0
    for number, piece in enumerate(pieces):
        if number:
            await permit.step_back()
        document = orjson.loads(await _embed(engine, {**payload, "input": piece}, permit))
        data += [{**entry, "index": number} for entry in document["data"]]
        tokens += token_count(document.get("usage")).prompt
        if tokens > settings.embedding_tokens:
            raise _too_many_tokens(settings)
    document |= {"data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return orjson.dumps(document), token_count(document["usage"])


async def _embed(engine: Engine, payload: dict[str, Any], permit: Permit) -> bytes:
    async with engine.request(_PATH, orjson.dumps(payload), permit) as response:
        return b"".join([chunk async for chunk in response.chunks()])


def pieces_of(texts: Any) -> list[Any]:
    """The texts, or lists of tokens, of an `input` in any of its four forms."""
    if isinstance(texts, str) or (texts and isinstance(texts[0], int)):
        return [texts]
    return list(texts)


def _estimate(piece: Any) -> int:
    return len(piece) if isinstance(piece, list) else -(-len(piece.encode()) // _BYTES_PER_TOKEN)


def _too_many_tokens(settings: AIModelSettings) -> ServiceError:
    message = f"input: the texts have more than the {settings.embedding_tokens} tokens of one request; send fewer"
    return ServiceError.of(400, "invalid_value", message, param="input")
