"""Severities: the standard library's numbers, OpenTelemetry's on the line."""

from typing import Literal

LevelName = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

DEBUG, INFO, WARNING, ERROR, CRITICAL = 10, 20, 30, 40, 50

NAMES = {DEBUG: "DEBUG", INFO: "INFO", WARNING: "WARNING", ERROR: "ERROR", CRITICAL: "CRITICAL"}
SEVERITY_NUMBERS = {DEBUG: 5, INFO: 9, WARNING: 13, ERROR: 17, CRITICAL: 21}
_NUMBERS = {name: level for level, name in NAMES.items()}


def level_number(name: str) -> int:
    """Look a level up by its name, in any case.

    Raises:
        ValueError: There is no such level.
    """
    number = _NUMBERS.get(name.upper())
    if number is None:
        raise ValueError(f"unknown level {name!r}: use one of {', '.join(_NUMBERS)}")
    return number


def nearest_level(number: int) -> int:
    """Round a standard library level, which may be any number, down to one of ours."""
    return min(max(number // 10 * 10, DEBUG), CRITICAL)
