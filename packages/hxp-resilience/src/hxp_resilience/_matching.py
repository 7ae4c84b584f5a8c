"""Which errors a policy is meant for: exception types, or a predicate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

_PASSING = (ConnectionError, TimeoutError)

Matcher: TypeAlias = type[BaseException] | tuple[type[BaseException], ...] | Callable[[Exception], bool]


def matcher(errors: Matcher) -> Callable[[Exception], bool]:
    """Return a predicate for exception types or a predicate as it is.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(errors, type | tuple):
        types = errors if isinstance(errors, tuple) else (errors,)
        if all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in types):
            return lambda error: isinstance(error, types)
    elif callable(errors):
        return errors
    raise ValueError(f"exception types or a predicate are needed, not {errors!r}")


def is_retryable(error: Exception) -> bool:
    """Tell whether an error says itself that it may pass, or is a broken or timed out connection."""
    try:
        said = getattr(error, "retryable", None)
    except Exception:  # noqa: BLE001 (somebody else's object; then it says nothing)
        said = None
    return said if isinstance(said, bool) else isinstance(error, _PASSING)


def in_words(error: BaseException) -> str:
    """Name an error without its message, which may hold content: its HTTP status, or its type."""
    try:
        told = getattr(error, "status", None), getattr(error, "status_code", None), getattr(error, "code", None)
    except Exception:  # noqa: BLE001 (as above)
        told = None, None, None
    for status in told:
        if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599:
            return str(int(status))
    return type(error).__name__
