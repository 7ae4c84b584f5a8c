"""The patterns and ranges of numbers that the schemas of one request may have together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ._pattern import MAX_WAYS, Positions

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PATTERN = 256
"""Characters of a `pattern`."""
MAX_PATTERN_ATOMS = 256
"""Characters and classes that a `pattern` may stand for, with its repetitions written out."""
MAX_BRANCHING = 1024
"""Places at which parts of all patterns may begin, beyond one for each; 2000 of one pattern take 0.3 s, 8000 20 s."""
MAX_ALL_WAYS = 2 * MAX_WAYS
"""Ways to read one token, over all patterns; each takes some microseconds for each such token of the vocabulary."""
MAX_ALL_ATOMS = 4096
"""Characters and classes of all patterns."""
MAX_DIGITS = 2048
"""Digits of the bounds of all numbers; 6000 take 2 s."""

_ATOM = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]", re.DOTALL)
_RANGE = re.compile(r"(\\.|[^\\])-(\\.|[^\\\]])", re.DOTALL)
_TOKEN = re.compile(r"\{(\d+)(,?)(\d*)\}|.", re.DOTALL)
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


class GrammarBudget:
    """Counts what makes a grammar slow, over all schemas of a request: together they are as slow as one that has all.

    Example:
        >>> GrammarBudget().spend({"type": "string", "pattern": "^(a?|b?){128}$"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: the patterns have too many parts that may be empty, or repeated alternatives; ...
    """

    def __init__(self) -> None:
        self._branching = self._ways = self._atoms = self._digits = 0

    def spend(self, schema: Mapping[str, Any]) -> None:
        """Count one object of a schema.

        Raises:
            ValueError: It is refused, alone or with what was counted before.
        """
        self._digits += digits(schema)
        if self._digits > MAX_DIGITS:
            raise ValueError(f"the bounds of all numbers have {MAX_DIGITS} digits together at the most")
        if isinstance(pattern := schema.get("pattern"), str):
            self._spend_pattern(pattern)

    def _spend_pattern(self, pattern: str) -> None:
        self._atoms += _checked_atoms(pattern)
        if self._atoms > MAX_ALL_ATOMS:
            raise ValueError(f"the patterns of a request have {MAX_ALL_ATOMS} characters, repetitions written out")
        positions = Positions(pattern)
        self._branching += positions.branching()
        if self._branching > MAX_BRANCHING:
            raise ValueError(
                "the patterns have too many parts that may be empty, or repeated alternatives; "
                "repeat only what cannot be empty, and write alternatives of single characters as a class"
            )
        ways = positions.ways()
        self._ways += ways
        if ways > MAX_WAYS or self._ways > MAX_ALL_WAYS:
            raise ValueError(
                "the patterns can be read in too many ways; repeat nothing that repeats itself, and let each "
                "alternative begin with other characters"
            )


def digits(schema: Mapping[str, Any]) -> int:
    """Return the digits of the bounds of a number."""
    bounds = (schema.get(name) for name in _BOUNDS)
    return sum(len(f"{abs(bound):.0f}") for bound in bounds if isinstance(bound, int | float))


def branching(schema: Mapping[str, Any]) -> int:
    """Return the branching of the pattern of a schema that was checked before."""
    pattern = schema.get("pattern")
    return Positions(pattern).branching() if isinstance(pattern, str) else 0


def _check_classes(pattern: str) -> None:
    for atom in _ATOM.findall(pattern):
        for low, high in _RANGE.findall(atom[1:-1]) if atom.startswith("[") else ():
            if low > high and len(low) == len(high) == 1:
                raise ValueError("a range of characters in a pattern has its ends the wrong way round")


def _checked_atoms(pattern: str) -> int:
    """Return the characters and classes of a pattern, its repetitions written out; an empty group is one."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern has {MAX_PATTERN} characters at the most")
    _check_classes(pattern)
    open_groups, last = [0], 0
    for token in _TOKEN.finditer(_ATOM.sub("x", pattern)):
        text = token.group()
        if token[1]:
            low, high = int(token[1]), int(token[3] or token[1])
            if low > high:
                raise ValueError("a repetition in a pattern has its bounds the wrong way round")
            open_groups[-1] += last * (max(high, 1) - 1)
            last *= max(high, 1)
        elif text == "(":
            open_groups.append(0)
        elif text == ")" and len(open_groups) > 1:
            last = max(open_groups.pop(), 1)
            open_groups[-1] += last
        elif text not in "*+?|^$":
            last = 1
            open_groups[-1] += last
    if sum(open_groups) > MAX_PATTERN_ATOMS:
        raise ValueError(f"a pattern has {MAX_PATTERN_ATOMS} characters, repetitions written out, at the most")
    return sum(open_groups)
