"""Where the statements of a TOML text stand; the values themselves are tomllib's.

The text has been parsed by tomllib before, so that this scanner only ever sees valid TOML (https://toml.io, 1.0).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from ._node import Position

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART = re.compile(r'[ \t]*("(?:[^"\\]|\\.)*"|\'[^\']*\'|[A-Za-z0-9_-]+)[ \t]*')
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\", "e": "\x1b"}


@dataclass(frozen=True, slots=True)
class Place:
    """A statement: where its key stands, where its value begins, and the value as it was written."""

    key: Position
    value: Position
    raw: str | None


def toml_positions(text: str) -> dict[tuple[object, ...], Place]:
    """Find the place of every statement and table header, by path; tables of an array have their index in it."""
    return _Scanner(text).places


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._counts: dict[tuple[object, ...], int] = {}
        self.places: dict[tuple[object, ...], Place] = {}
        self._scan()

    def _scan(self) -> None:
        table: tuple[object, ...] = ()
        position = self._blank(0)
        while position < len(self._text):
            if self._text[position] == "[":
                table, position = self._header(position)
            else:
                position = self._statement(table, position)
            position = self._blank(position)

    def _header(self, position: int) -> tuple[tuple[object, ...], int]:
        many = self._text.startswith("[[", position)
        keys, end = self._keys(position + 1 + many)
        path = self._inside(keys, many=many)
        place = Place(self._at(position), self._at(position), None)
        for depth in range(1, len(path) + 1):
            self.places.setdefault(path[:depth], place)
        return path, end + 1 + many

    def _inside(self, keys: list[str], *, many: bool) -> tuple[object, ...]:
        """The path of a header: a table below an array of tables belongs to the array's last one."""
        path: tuple[object, ...] = ()
        for depth, key in enumerate(keys, 1):
            path = (*path, key)
            if many and depth == len(keys):
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _statement(self, table: tuple[object, ...], position: int) -> int:
        keys, equals = self._keys(position)
        start = equals + 1
        while self._text[start] in " \t":
            start += 1
        end = self._value(start)
        raw = self._text[start:end].rstrip()
        place = Place(self._at(position), self._at(start), raw)
        path = (*table, *keys)
        for depth in range(len(table) + 1, len(path)):
            self.places.setdefault(path[:depth], Place(place.key, place.value, None))
        self.places[path] = place
        return end

    def _keys(self, position: int) -> tuple[list[str], int]:
        keys: list[str] = []
        while match := _KEY_PART.match(self._text, position):
            keys.append(_unquoted(match[1]))
            position = match.end()
            if self._text[position : position + 1] != ".":
                break
            position += 1
        return keys, position

    def _value(self, position: int) -> int:
        """The end of a value: of the line, or of the bracket that it opens."""
        depth = 0
        while position < len(self._text):
            character = self._text[position]
            if character in "\"'" and (string := _STRING.match(self._text, position)):
                position = string.end()
                continue
            if character == "#":
                if not depth:
                    break
                position = self._text.find("\n", position)
                continue
            depth += (character in "[{") - (character in "]}")
            if character == "\n" and depth == 0:
                break
            position += 1
        return position

    def _blank(self, position: int) -> int:
        match = _BLANK.match(self._text, position)
        return match.end() if match else position

    def _at(self, position: int) -> Position:
        line = bisect_right(self._lines, position) - 1
        return Position(line, position - self._lines[line])


def _unquoted(key: str) -> str:
    if key[0] == "'":
        return key[1:-1]
    return _ESCAPE.sub(_escaped, key[1:-1]) if key[0] == '"' else key


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if code[0] in "uU" else _ESCAPES[code]
