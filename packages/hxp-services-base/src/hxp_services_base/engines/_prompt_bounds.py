"""Texts that no context can hold, refused before the engine reads them: it takes seconds to count their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hxp_schemas import ErrorInfo

from ..chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._gguf import Vocabulary


def longest_text(vocabulary: Vocabulary, context: int) -> int:
    """Return how many characters fit into `context` tokens if each is the longest that there is."""
    return context * max((len(token) for token in vocabulary.tokens), default=1)


def refuse_too_long(payload: Mapping[str, Any], most: int) -> None:
    """Refuse a request whose texts have more than `most` characters, and so too many tokens however they are read.

    Raises:
        ServiceError: 400 `context_length_exceeded`.
    """
    texts = payload.get("input")  # each is read for itself
    longest = max(map(_characters, texts), default=0) if isinstance(texts, list) else _characters(texts)
    found = {name: _characters(payload.get(name)) for name in ("messages", "prompt")}
    for param, characters in {**found, "input": longest}.items():
        if characters > most:
            message = f"{param}: {characters} characters cannot fit into the context of this model; shorten them"
            raise ServiceError(ErrorInfo(code="context_length_exceeded", message=message, status=400, param=param))


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(_characters(entry) for entry in value if not isinstance(entry, int))
    if isinstance(value, dict):
        return sum(_characters(entry) for entry in value.values())
    return 0
