"""Lossless edits and estimates of a request's JSON document.

A member is replaced where the parser finds it, and every other byte stays: big integers, the order of keys, spelling.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"[ \t\n\r]*")
_BYTES_PER_TOKEN = 4
_LONGEST_READ = 256 * 1024
_PROMPT_MEMBERS = ("messages", "prompt", "input", "tools", "functions", "suffix")
_MEDIA_MEMBERS = frozenset({"image_url", "input_audio", "file", "audio", "video_url"})
_MEDIA_NAMES = tuple(name.encode() for name in sorted(_MEDIA_MEMBERS))


def insert_member(body: bytes, name: str, value: bytes) -> bytes:
    """Return the object in `body` with one more member, at its beginning; the object must hold others."""
    start = body.index(b"{") + 1
    return b'%b"%b":%b,%b' % (body[:start], name.encode(), value, body[start:])


def replace_member(body: bytes, name: str, value: bytes) -> bytes:
    """Return the object in `body` with another value for a member, each time that it occurs, however it is spelled.

    Raises:
        ValueError: If `body` is no JSON object in UTF-8.
    """
    text = body.decode()
    pieces: list[str] = []
    last = 0
    for found, start, end in _members(text):
        if found == name:
            pieces += [text[last:start], value.decode()]
            last = end
    return "".join([*pieces, text[last:]]).encode()


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each member of an object, and where its value begins and ends."""
    as_written = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
    place = _skip(text, 0, "{")
    separator = ""
    while not text.startswith("}", place):
        place = _skip(text, place, separator)
        try:
            name, end = as_written.raw_decode(text, place)
            start = _skip(text, end, ":")
            _, end = as_written.raw_decode(text, start)
        except RecursionError:
            raise ValueError("the document is nested too deep") from None
        yield name, start, end
        place, separator = _skip(text, end, ""), ","


def _skip(text: str, place: int, expected: str) -> int:
    """Return the place after white space, `expected`, and white space again."""
    place = _SPACE.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing at all, too
    if not text.startswith(expected, place):
        raise ValueError(f"character {place + 1}: expected {expected!r}")
    return _SPACE.match(text, place + len(expected)).end()  # type: ignore[union-attr]


def estimate_prompt_tokens(body: bytes) -> int:
    """Estimate the tokens of a prompt that no engine has counted: one for each four bytes of its text, rounded up.

    Token ids count one each; images, audio and files are left out, since their size says little about their tokens.
    The engine's own count is at most the number of those bytes plus what its chat template adds. A body of more than
    256 KiB is not read for it: it counts as a whole, or not at all where it names images, audio or files.
    """
    if len(body) > _LONGEST_READ:  # to read it would keep all others waiting
        return 0 if any(b'"%b"' % name in body for name in _MEDIA_NAMES) else estimate_text_tokens(len(body))
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return 0
    members = [document.get(name) for name in _PROMPT_MEMBERS] if isinstance(document, dict) else []
    text_bytes = ids = 0
    waiting: list[Any] = members
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            text_bytes += len(value.encode(errors="replace"))
        elif isinstance(value, int) and not isinstance(value, bool):
            ids += 1
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += [inner for key, inner in value.items() if key not in _MEDIA_MEMBERS]
    return ids + -(-text_bytes // _BYTES_PER_TOKEN)


def estimate_text_tokens(size: int) -> int:
    """Estimate the tokens of `size` bytes of text, rounded up."""
    return -(-size // _BYTES_PER_TOKEN)
