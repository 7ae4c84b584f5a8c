"""Which of the two twins a function needs: the asynchronous one, or the one for threads."""

from __future__ import annotations

from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

T = TypeVar("T")


def is_asynchronous(function: Callable[..., Any]) -> bool:
    """Tell whether a function is a coroutine function, or an object that is called like one."""
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def plain(answer: T, what: str) -> T:
    """Return an answer that is there, and refuse one that would have to be awaited, since a thread cannot.

    Args:
        answer: Of a function that the user gave.
        what: Which function, in words.

    Raises:
        TypeError: It would have to be awaited.
    """
    if isawaitable(answer):
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        raise TypeError(f"{what} is a coroutine function: await `call` instead of `call_sync`")
    return answer
