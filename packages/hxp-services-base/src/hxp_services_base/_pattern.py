"""The work that a `pattern` makes an engine do, counted without an engine.

llama.cpp keeps a stack for each place of a grammar at which the text may be, and tries each token of its vocabulary on
all of them, character by character, without noticing that two ways lead to the same place. So two things multiply:
parts that may be empty, because all that follow them may begin at once, and ways to read one text. Both are read off
the positions of the pattern (Glushkov 1961): an edge leads from each character to all that may come after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = 64
"""Length of the tokens of one character, repeated, that large vocabularies have."""
MIXED = 16
"""Length of the tokens of several characters that are tried to their end."""
MAX_WAYS = 4096
"""Count of ways at which counting stops."""

_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{(\d+)(,?)(\d*)\}|\(\?:|.", re.DOTALL)
_CLASS = re.compile(r"(\\.|[^\\])(?:-(\\.|[^\\\]]))?", re.DOTALL)
_CATEGORIES = {
    "d": "0123456789",
    "w": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
    "s": " \t\n\r",
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_OTHER = "\U0010ffff"
"""Stands for every character that the pattern does not name."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a pattern: the positions that it may begin and end with, as bits, and whether it may be empty."""

    first: int = 0
    last: int = 0
    is_nullable: bool = True


@dataclass(frozen=True, slots=True)
class _Atom:
    text: str


@dataclass(frozen=True, slots=True)
class _Repeated:
    node: _Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class _Group:
    """Alternatives, each a sequence."""

    branches: list[list[_Node]]


_Node = _Atom | _Repeated | _Group


class Positions:
    """The positions of a pattern, and those that may follow each.

    The number of characters, with repetitions written out, must have been bounded before; edges grow with its square.

    Example:
        >>> Positions("^ab$").branching(), Positions("^(a|b){2}$").branching(), Positions("^(a?){4}$").branching()
        (0, 0, 2)
    """

    def __init__(self, pattern: str) -> None:
        self._atoms: list[str] = []
        self._follow: list[list[int]] = []
        """For each position what follows it; beyond the first entry what follows in a second way, a third, ..."""
        self._place(_parsed(pattern))

    def branching(self) -> int:
        """Return the edges beyond one for each position."""
        return max(0, sum(level.bit_count() for follow in self._follow for level in follow) - len(self._atoms))

    def ways(self) -> int:
        """Return the ways to read a run of one character, or a text of any, whichever are more."""
        alphabet = self._alphabet()
        matching = {
            character: sum(1 << number for number, atom in enumerate(self._atoms) if _matches(atom, character))
            for character in alphabet
        }
        masks = set(matching.values()) - {0}
        runs = max((self._counted([mask], RUN) for mask in masks), default=0)
        return max(runs, self._counted(sorted(masks), MIXED))

    def _counted(self, masks: list[int], length: int) -> int:
        """Count the ways over texts whose every character is one of `masks`; of several the most at each place."""
        reached = reduce(or_, masks, 0)
        steps = {number: self._choices(number, masks) for number in _bits(reached)}
        ways = dict.fromkeys(steps, 1)
        for _ in range(length - 1):
            before = ways
            ways = {
                number: max((sum(before[to] for to in step) for step in choices), default=1)
                for number, choices in steps.items()
            }
            if ways == before:
                break
            if max(ways.values()) > MAX_WAYS:
                return MAX_WAYS + 1
        return max(ways.values(), default=0)

    def _choices(self, number: int, masks: list[int]) -> list[list[int]]:
        """Return the positions that follow `number`, for each mask that has any, one entry for each way."""
        choices = ([to for level in self._follow[number] for to in _bits(level & mask)] for mask in masks)
        return [step for step in choices if step]

    def _alphabet(self) -> set[str]:
        named = {_OTHER}
        for atom in set(self._atoms):
            for low, high in _ranges(atom):
                named |= {low, high}
        return named

    def _place(self, node: _Node) -> _Part:
        if isinstance(node, _Atom):
            self._atoms.append(node.text)
            self._follow.append([])
            bit = 1 << (len(self._follow) - 1)
            return _Part(bit, bit, is_nullable=False)
        if isinstance(node, _Repeated):
            return self._place_repeated(node)
        branches = [self._place_sequence(branch) for branch in node.branches]
        out = branches[0]
        for part in branches[1:]:
            out = _Part(out.first | part.first, out.last | part.last, out.is_nullable or part.is_nullable)
        return out

    def _place_sequence(self, nodes: list[_Node]) -> _Part:
        out = _Part()
        for node in nodes:
            out = self._joined(out, self._place(node))
        return out

    def _place_repeated(self, node: _Repeated) -> _Part:
        """Write out the copies; each optional one stands within the one before, as llama.cpp has them."""
        copies = [self._place(node.node) for _ in range(max(node.most or node.least, 1))]
        if node.most is None:
            self._link(copies[-1].last, copies[-1].first)
        out = _Part()
        for number in range(len(copies) - 1, -1, -1):
            out = self._joined(copies[number], out)
            if number >= node.least:
                out = _Part(out.first, out.last, is_nullable=True)
        return out

    def _joined(self, left: _Part, right: _Part) -> _Part:
        self._link(left.last, right.first)
        return _Part(
            left.first | (right.first if left.is_nullable else 0),
            right.last | (left.last if right.is_nullable else 0),
            left.is_nullable and right.is_nullable,
        )

    def _link(self, last: int, first: int) -> None:
        for number in _bits(last):
            again = first
            for level, known in enumerate(self._follow[number]):
                self._follow[number][level], again = known | again, known & again
            if again:
                self._follow[number].append(again)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _parsed(pattern: str) -> _Group:
    """Read a pattern as leniently as possible: what an engine refuses anyway may be read in any way."""
    groups = [_Group([[]])]
    for token in _TOKEN.finditer(pattern):
        text = token.group()
        sequence = groups[-1].branches[-1]
        if text in {"(", "(?:"}:
            groups.append(_Group([[]]))
        elif text == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1].branches[-1].append(closed)
        elif text == "|":
            groups[-1].branches.append([])
        elif (bounds := _repetition(token)) and sequence:
            sequence.append(_Repeated(sequence.pop(), *bounds))
        elif text not in {"^", "$"}:
            sequence.append(_Atom(text))
    while len(groups) > 1:
        closed = groups.pop()
        groups[-1].branches[-1].append(closed)
    return groups[0]


def _repetition(token: re.Match[str]) -> tuple[int, int | None] | None:
    if token[1]:
        return int(token[1]), int(token[3]) if token[3] else None if token[2] else int(token[1])
    known: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
    return known.get(token.group())


def _ranges(atom: str) -> list[tuple[str, str]]:
    """Return the ranges of characters that an atom names; of a negated class those that it excludes."""
    if atom == ".":
        return [("\n", "\n")]
    if not atom.startswith("["):
        return [(character, character) for character in _named(atom)]
    out = []
    for found in _CLASS.finditer(atom[1:-1].removeprefix("^")):
        low, high = _named(found[1]), _named(found[2] or found[1])
        out += [(low, high)] if len(low) == len(high) == 1 else [(character, character) for character in low + high]
    return out


def _named(text: str) -> str:
    if len(text) == 1:
        return text
    escaped = text[1:]
    return _CATEGORIES.get(escaped.lower(), _CONTROLS.get(escaped, escaped))


def _matches(atom: str, character: str) -> bool:
    is_negated = atom == "." or atom.startswith("[^") or atom in {r"\D", r"\W", r"\S"}
    if atom == ".":
        return character != "\n"
    return any(low <= character <= high for low, high in _ranges(atom)) != is_negated
