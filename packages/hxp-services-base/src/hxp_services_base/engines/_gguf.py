"""The tokens of a GGUF file, read without loading it.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MAGIC = b"GGUF"
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST = 1 << 28
"""Bytes of one value, and entries of one list: more is no vocabulary."""
_PREFIX = "tokenizer."


class TokenType(IntEnum):
    """What a token is, as the file says."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a file says of its tokens.

    Attributes:
        tokens: Their spellings.
        types: What each is; of unknown numbers, `NORMAL`.
        marked: Those that the file names as the beginning or end of something, by their numbers.
        templates: Its chat templates.
    """

    tokens: tuple[str, ...] = ()
    types: tuple[TokenType, ...] = ()
    marked: frozenset[int] = field(default_factory=frozenset)
    templates: tuple[str, ...] = ()


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the tokens of a GGUF file.

    Raises:
        ValueError: If it is none, or ends too early.
    """
    try:
        with path.open("rb") as file:
            return _vocabulary(_metadata(file))
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"{str(path)!r} is no GGUF file that can be read: {error}") from error


def _vocabulary(found: Mapping[str, Any]) -> Vocabulary:
    tokens = tuple(found.get("tokenizer.ggml.tokens") or ())
    known = set(TokenType)
    types = [
        TokenType(kind) if kind in known else TokenType.NORMAL for kind in found.get("tokenizer.ggml.token_type") or ()
    ]
    types += [TokenType.NORMAL] * (len(tokens) - len(types))
    marked = {number for name, number in found.items() if name.endswith("_token_id") and isinstance(number, int)}
    templates = [
        text for name, text in found.items() if name.startswith("tokenizer.chat_template") and isinstance(text, str)
    ]
    return Vocabulary(tokens, tuple(types), frozenset(marked), tuple(templates))


def _metadata(file: BinaryIO) -> dict[str, Any]:
    if file.read(4) != _MAGIC:
        raise ValueError("this is no GGUF file: it does not begin with 'GGUF'")
    version, _, count = _unpack(file, "IQQ")
    if version not in {2, 3}:
        raise ValueError(f"GGUF version {version} is not known; 2 and 3 are")
    found: dict[str, Any] = {}
    for _ in range(count):
        name, (kind,) = _string(file), _unpack(file, "I")
        value = _value(file, kind)
        if name.startswith(_PREFIX):
            found[name] = value
    return found


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        entry, length = _unpack(file, "IQ")
        if length > _LONGEST:
            raise ValueError(f"a list of {length} entries is longer than any vocabulary")
        if entry in _SCALARS:
            return list(_unpack(file, f"{length}{_SCALARS[entry]}"))
        return [_value(file, entry) for _ in range(length)]
    if kind not in _SCALARS:
        raise ValueError(f"a value of the unknown type {kind}")
    return _unpack(file, _SCALARS[kind])[0]


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > _LONGEST:
        raise ValueError(f"a text of {length} bytes is longer than any token or template")
    return file.read(length).decode(errors="replace")


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    layout = struct.Struct(f"<{form}")
    return layout.unpack(file.read(layout.size))
