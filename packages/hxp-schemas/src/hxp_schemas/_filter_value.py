"""A filter's value, read as the type of its field."""

import math
import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from ._filter_tree import Operator, Value

Scalar = str | int | float | bool | datetime | timedelta | Enum
FieldType = type[Scalar] | type[list[Any]] | type[dict[Any, Any]]

# Texts, which `re` compiles at their first use and keeps: not every program that loads the package reads a filter.
_INTEGER = r"(?a)-?[0-9]{1,18}"
_NUMBER = r"(?a)-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?"
_DURATION = r"(?a)(-?[0-9]{1,9}(\.[0-9]{1,9})?)s"
_TIME = (
    r"(?a)[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}
_EQUALITY = {Operator.EQUAL, Operator.NOT_EQUAL, Operator.HAS}


def read_value(raw: str, declared: FieldType | None, operator: Operator, *, quoted: bool) -> Value:
    """Read a value.

    Args:
        raw: Its text, without quotes.
        declared: The field's type; None takes the value as it looks.
        operator: What it is compared by.
        quoted: Whether it stood in quotes, and so is a text if its type is not declared.

    Raises:
        ValueError: Not a value of the type, or not to be compared so.
    """
    if operator is Operator.HAS and raw == "*" and not quoted:
        return "*"
    if declared is None:
        value = raw if quoted else _as_it_looks(raw)
        if operator not in _EQUALITY and (value is None or isinstance(value, bool)):
            raise ValueError(f"{raw} is compared with = and != only")
        return value
    if raw == "null" and not quoted:
        if operator not in {Operator.EQUAL, Operator.NOT_EQUAL}:
            raise ValueError("null is compared with = and != only")
        return None
    if issubclass(declared, list | dict):
        if operator is not Operator.HAS:
            raise ValueError("what holds several values is asked with ':'")
        return raw if quoted else _as_it_looks(raw) if declared is list else raw
    return _read(raw, declared, operator)


def _read(raw: str, declared: FieldType, operator: Operator) -> Value:
    if issubclass(declared, Enum):
        names = [str(member.value) for member in declared]
        if raw not in names:
            raise ValueError(f"{raw[:64]!r} is none of {', '.join(names)}")
        return _for_equality(raw, operator)
    if declared is bool:
        if raw not in {"true", "false"}:
            raise ValueError(f"write true or false, not {raw[:64]!r}")
        return _for_equality(raw == "true", operator)
    if declared is int and not re.fullmatch(_INTEGER, raw):
        raise ValueError(f"a whole number of at most 18 digits is expected, not {raw[:64]!r}")
    if declared is float and not re.fullmatch(_NUMBER, raw):
        raise ValueError(f"a number is expected, not {raw[:64]!r}")
    if declared is datetime:
        return _time(raw)
    if declared is timedelta:
        return _duration(raw)
    if declared is int:
        return int(raw)
    return _finite(raw) if declared is float else raw


def _for_equality(value: Value, operator: Operator) -> Value:
    if operator not in _EQUALITY:
        raise ValueError(f"{operator} does not apply; use = or !=")
    return value


def _as_it_looks(raw: str) -> Value:
    if raw in _WORDS:
        return _WORDS[raw]
    if re.fullmatch(_INTEGER, raw):
        return int(raw)
    if re.fullmatch(_NUMBER, raw):
        return _finite(raw)
    for pattern, read in ((_DURATION, _duration), (_TIME, _time)):
        if re.fullmatch(pattern, raw):
            return read(raw)
    return raw


def _finite(raw: str) -> float:
    number = float(raw)
    if not math.isfinite(number):
        raise ValueError(f"{raw[:64]} is too large a number")
    return number


def _duration(raw: str) -> timedelta:
    match = re.fullmatch(_DURATION, raw)
    if match is None:
        raise ValueError(f"a duration reads '20s' or '1.5s', not {raw[:64]!r}")
    return timedelta(seconds=float(match[1]))


def _time(raw: str) -> datetime:
    if not re.fullmatch(_TIME, raw):
        raise ValueError(f"a time reads '2026-11-23T12:00:00Z', not {raw[:64]!r}")
    try:
        time = datetime.fromisoformat(raw.upper())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"there is no time {raw[:64]!r}") from error
