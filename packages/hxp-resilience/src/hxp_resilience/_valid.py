"""Options are valid, or refused with a sentence: what they all check."""

from __future__ import annotations

from math import isfinite
from typing import TypeGuard


def whole(name: str, value: object, *, least: int) -> None:
    """Refuse what is no whole number, or a smaller one.

    Raises:
        ValueError: It is.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def positive(name: str, value: object) -> None:
    """Refuse what is no finite number above 0.

    Raises:
        ValueError: It is none.
    """
    if not _is_number(value) or value <= 0:
        raise ValueError(f"{name} must be positive and finite, not {value!r}")


def not_negative(name: str, value: object) -> None:
    """Refuse what is no finite number from 0 on.

    Raises:
        ValueError: It is none.
    """
    if not _is_number(value) or value < 0:
        raise ValueError(f"{name} must be finite and not negative, not {value!r}")


def share(name: str, value: object) -> None:
    """Refuse what is no number above 0 and up to 1.

    Raises:
        ValueError: It is none.
    """
    if not _is_number(value) or not 0 < value <= 1:
        raise ValueError(f"{name} must be in (0, 1], not {value!r}")


def patience(name: str, value: object) -> None:
    """Refuse what is neither None nor a number of seconds from 0 on; to wait without end is allowed.

    Raises:
        ValueError: It is neither.
    """
    if value is not None and value != float("inf"):
        not_negative(name, value)


def window(first: object, largest: object) -> None:
    """Refuse waits of which the first is negative or above the largest.

    Raises:
        ValueError: They are.
    """
    if not (_is_number(first) and _is_number(largest) and 0 <= first <= largest):
        raise ValueError("first_wait must not be negative, and not above largest_wait, which must be finite")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
