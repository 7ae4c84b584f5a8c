"""How long to wait before the next attempt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


def full_jitter(attempt: int, *, first: float = 0.5, largest: float = 8.0, random: Callable[[], float]) -> float:
    """Return a random part of a window that doubles ("full jitter").

    Args:
        attempt: Number of the attempt that failed, from 1.
        first: The first window, in seconds.
        largest: The window stops growing here, in seconds.
        random: Returns numbers from 0 to 1.
    """
    window = first * (1 << attempt - 1) if attempt < 60 else largest
    return (window if window < largest else largest) * random()  # noqa: FURB136 (min() costs four times as much)


def decorrelated_jitter(
    previous: float, *, first: float = 0.5, largest: float = 8.0, random: Callable[[], float]
) -> float:
    """Return a wait between the first and three times the previous one ("decorrelated jitter").

    Args:
        previous: The wait before this one, in seconds; 0 if there was none.
        first: The shortest wait, in seconds.
        largest: The longest, in seconds.
        random: Returns numbers from 0 to 1.
    """
    upper = max(first, 3.0 * previous)
    return min(largest, first + (upper - first) * random())


def seconds_asked(error: object, wall: Callable[[], datetime] | None = None) -> float | None:
    """Return the pause that a target asked for (`Retry-After`, RFC 9110 section 10.2.3).

    Args:
        error: An error with `retry_after`, or with `headers` of its own or of its `response`: seconds, as a number or
            text, or a date.
        wall: The wall clock, against which a date is read, and nothing else; that of the system by default.

    Returns:
        Seconds, never negative; None if nothing was asked for, or nothing that makes sense.
    """
    try:
        value = getattr(error, "retry_after", None)
        if value is None:
            headers = getattr(error, "headers", None) or getattr(error, "response", None)
            if headers is None:
                return None  # as most errors do
            headers = getattr(headers, "headers", headers)
            value = headers.get("Retry-After") or headers.get("retry-after")
    except Exception:  # noqa: BLE001 (somebody else's object; then nothing was asked for)
        value = None
    if isinstance(value, str):
        value = _read(value.strip(), wall)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return math.inf
    return None if math.isnan(seconds) else max(0.0, seconds)


def _read(text: str, wall: Callable[[], datetime] | None) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    from datetime import UTC, datetime  # noqa: PLC0415 (only who is given a date pays for it)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 (as above)

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # no date, or one with a year that no computer counts to
        return None
    if moment.tzinfo is None:  # "-0000": the moment is in UTC all the same
        moment = moment.replace(tzinfo=UTC)
    return (moment - (datetime.now(UTC) if wall is None else wall())).total_seconds()
