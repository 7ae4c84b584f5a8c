"""What a filter says, as a tree, and whether an item is meant by it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

Value = str | int | float | bool | datetime | timedelta | None


class Operator(StrEnum):
    """How a field and a value are compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    HAS = ":"


_ORDERED: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: eq,
    Operator.LESS: lt,
    Operator.LESS_OR_EQUAL: le,
    Operator.GREATER: gt,
    Operator.GREATER_OR_EQUAL: ge,
}


class Comparison(NamedTuple):
    """A field compared with a value.

    Attributes:
        path: The names that lead to the field.
        operator: `:` asks whether a list has the value, a mapping the key, a text the part; `field:*` whether any is.
        value: As the field's declared type has it. In a text, `*` at either end stands for anything.
        position: Where the comparison begins in the filter's text.
    """

    path: tuple[str, ...]
    operator: Operator
    value: Value
    position: int = 0

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item is meant; a field that is not there matches `= null` alone."""
        found: Any = item
        for name in self.path:
            if not isinstance(found, Mapping) or name not in found:
                return self.operator is Operator.EQUAL and self.value is None
            found = found[name]
        if self.operator is Operator.HAS:
            return _has(found, self.value)
        if self.operator is Operator.NOT_EQUAL:
            return not _compare(found, Operator.EQUAL, self.value)
        return _compare(found, self.operator, self.value)

    def __str__(self) -> str:
        return f"{'.'.join(self.path)} {self.operator} {_literal(self.value)}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a filter."""

    term: "Filter"

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item is meant."""
        return not self.term.matches(item)

    def __str__(self) -> str:
        return f"NOT ({self.term})"


@dataclass(frozen=True, slots=True)
class _Terms:
    terms: tuple["Filter", ...]


class And(_Terms):
    """All of two or more filters; of none at all, which means every item."""

    __slots__ = ()

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item is meant."""
        return all(term.matches(item) for term in self.terms)

    def __str__(self) -> str:
        return " AND ".join(f"({term})" for term in self.terms)


class Or(_Terms):
    """At least one of two or more filters."""

    __slots__ = ()

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item is meant."""
        return any(term.matches(item) for term in self.terms)

    def __str__(self) -> str:
        return " OR ".join(f"({term})" for term in self.terms)


Filter = And | Or | Not | Comparison
"""Any node of the tree; each has `matches(item)`, and its `str` is a filter that parses to the same tree."""


def _compare(found: Any, operator: Operator, value: Value) -> bool:
    if value is None or found is None:
        return operator is Operator.EQUAL and found is value
    if isinstance(found, str) and isinstance(value, str) and operator is Operator.EQUAL:
        return _like(found, value)
    if isinstance(found, bool) != isinstance(value, bool):
        return False
    try:
        return _ORDERED[operator](found, value)
    except TypeError:  # a text and a number, an aware and a naive time
        return False


def _like(text: str, pattern: str) -> bool:
    if len(pattern) > 1 and pattern[0] == pattern[-1] == "*":
        return pattern[1:-1] in text
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern


def _has(found: Any, value: Value) -> bool:
    if value == "*":
        return found is not None and found not in ([], {})
    if isinstance(found, Mapping):
        return value in found
    if isinstance(found, str):
        return isinstance(value, str) and value in found
    if isinstance(found, Iterable):
        return any(_compare(one, Operator.EQUAL, value) for one in found)
    return _compare(found, Operator.EQUAL, value)


def _literal(value: Value) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f}s"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
