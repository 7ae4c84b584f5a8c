"""Dotted paths such as `services.gateway.port`, and keys that hold a dot themselves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLAIN = re.compile(r"[^.\"=\s]+")
_SEGMENT = re.compile(r'(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<plain>[^.\"=\s]+)')


def join_path(segments: Iterable[object]) -> str:
    """Write segments as one path; a key with a dot, a quote, a blank or an `=` is quoted as in JSON."""
    texts = (str(segment) for segment in segments)
    return ".".join(text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False) for text in texts)


def split_path(path: str) -> tuple[str, ...]:
    """Read a path back into its segments; the opposite of `join_path`.

    Raises:
        ValueError: The path is malformed: an empty segment or an open quote.
    """
    segments: list[str] = []
    position = -1
    while position < len(path):
        if position >= 0 and path[position] != ".":
            raise ValueError(f"{path!r} is not a path: expected '.' at character {position + 1}")
        found = _SEGMENT.match(path, position + 1)
        if found is None:
            raise ValueError(f"{path!r} is not a path: expected a key at character {position + 2}")
        segments.append(json.loads(found[0]) if found["quoted"] else found[0])
        position = found.end()
    return tuple(segments)
