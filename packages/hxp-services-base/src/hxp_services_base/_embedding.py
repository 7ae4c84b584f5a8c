"""Embeddings: many texts in one request, worked off in small batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ._tap import TokenCount, token_count
from .chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._admission import Permit
    from ._ai_model import AIModelSettings
    from .engines import Engine

_PATH = "/v1/embeddings"
_BYTES_PER_TOKEN = 4
_MAX_ENTRIES = 2048
"""Entries of an `input`, be they texts, tokens or lists of tokens: OpenAI's own limit."""
_BATCH_TEXTS = 16
_BATCH_TOKENS = 128
"""Texts and estimated tokens that are given to the engine at once: some milliseconds of work."""


def refuse_long(body: bytes, settings: AIModelSettings) -> None:
    """Refuse more entries or tokens than a request may have before each of them is judged, which takes far longer.

    Raises:
        ServiceError: 400.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return  # whoever validates it tells why
    pieces = document.get("input") if isinstance(document, dict) else None
    if not isinstance(pieces, list):
        return
    if len(pieces) > _MAX_ENTRIES:
        message = f"input: {len(pieces)} entries are more than the {_MAX_ENTRIES} of one request; send fewer"
        raise ServiceError.of(400, "invalid_value", message, param="input")
    if sum(len(piece) for piece in pieces if isinstance(piece, list)) > settings.embedding_tokens:
        raise _too_many_tokens(settings)


def refuse_oversized(texts: Any, settings: AIModelSettings) -> None:
    """Refuse more texts or tokens than a request may have.

    Of texts the tokens are estimated: one for each word, and for each four bytes. Tokens do not reach across spaces.

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
    engine: Engine,
    payload: dict[str, Any],
    permit: Permit,
    settings: AIModelSettings,
    *,
    count: Callable[[TokenCount], None],
) -> bytes:
    """Embed the texts in small batches.

    llama.cpp ends no embedding that it has begun, and puts the texts of a request into all slots that are free: small
    batches leave the rest undone when nobody waits any more, and let other requests in between. They end as soon as
    the tokens so far and the estimate of the rest are too many.

    Args:
        engine: The engine.
        payload: The request.
        permit: Its permit.
        settings: Those of the model.
        count: Called after each batch with its tokens, so that work is counted whatever becomes of the rest.

    Raises:
        ServiceError: 400, if the texts turn out to have too many tokens.
    """
    pieces = pieces_of(payload["input"])
    if len(pieces) == 1:
        body = await _embed(engine, payload, permit)
        count(_tokens_of(orjson.loads(body)))
        return body
    data: list[dict[str, Any]] = []
    document: dict[str, Any] = {}
    tokens = done = 0
    rest = sum(map(_estimate, pieces))
    for batch in _batches(pieces):
        if done:
            await permit.step_back()
        document = orjson.loads(await _embed(engine, {**payload, "input": batch}, permit))
        data += [{**entry, "index": done + entry["index"]} for entry in document["data"]]
        counted = _tokens_of(document)
        count(counted)
        tokens += counted.prompt
        rest -= sum(map(_estimate, batch))
        done += len(batch)
        if tokens + rest > settings.embedding_tokens:
            raise _too_many_tokens(settings, f"{tokens} in the first {done} of {len(pieces)}")
    document |= {"data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return orjson.dumps(document)


def _tokens_of(document: dict[str, Any]) -> TokenCount:
    """Return the tokens of an answer; no engine counts an answer's own tokens for embeddings."""
    usage = document.get("usage")
    return token_count({"completion_tokens": 0, **usage} if isinstance(usage, dict) else None)


def _batches(pieces: list[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    size = 0
    for piece in pieces:
        estimate = _estimate(piece)
        if batch and (len(batch) == _BATCH_TEXTS or size + estimate > _BATCH_TOKENS):
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += estimate
    yield batch


async def _embed(engine: Engine, payload: dict[str, Any], permit: Permit) -> bytes:
    async with engine.request(_PATH, orjson.dumps(payload), permit) as response:
        return b"".join([chunk async for chunk in response.chunks()])


def pieces_of(texts: Any) -> list[Any]:
    """The texts, or lists of tokens, of an `input` in any of its four forms."""
    if isinstance(texts, str) or (texts and isinstance(texts[0], int)):
        return [texts]
    return list(texts)


def _estimate(piece: Any) -> int:
    if isinstance(piece, list):
        return len(piece)
    return max(-(-len(piece.encode()) // _BYTES_PER_TOKEN), len(piece.split()))


def _too_many_tokens(settings: AIModelSettings, counted: str = "") -> ServiceError:
    message = f"input: the texts have more than the {settings.embedding_tokens} tokens of one request; send fewer"
    return ServiceError.of(400, "invalid_value", f"{message} ({counted})" if counted else message, param="input")
