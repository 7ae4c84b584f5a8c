"""Which errors a policy is meant for: exception types, or a predicate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Matcher: TypeAlias = type[BaseException] | tuple[type[BaseException], ...] | Callable[[Exception], bool]


def matcher(errors: Matcher) -> Callable[[Exception], bool]:
    """Return a predicate for exception types or a predicate as it is."""
    if isinstance(errors, type | tuple):
        types = errors
        return lambda error: isinstance(error, types)
    return errors
