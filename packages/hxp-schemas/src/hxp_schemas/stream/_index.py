"""How an upstream counts, within bounds."""

from typing import TypeGuard


def is_index(value: object, limit: int) -> TypeGuard[int]:
    """Tell whether a value is a whole number from 0, below a limit."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit
