"""Policies in a row, as one."""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

P = ParamSpec("P")
T = TypeVar("T")


class Policy(Protocol):
    """What a pipeline is made of: it decides whether, when and how often a function is called."""

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function under this policy."""
        ...


class Pipeline:
    """Policies around a call: the first is the outermost.

    A pipeline is a policy itself, and as a decorator puts itself around a function.

    Args:
        policies: From the outside to the inside.

    Example:
        >>> import asyncio
        >>> from hxp_resilience import Retry, Timeout
        >>> @Pipeline(Retry(attempts=3), Timeout(5.0))
        ... async def answer() -> int:
        ...     return 42
        >>> asyncio.run(answer())
        42
    """

    def __init__(self, *policies: Policy) -> None:
        self.policies = policies

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function through all policies."""
        return await self._around(function)(*args, **kwargs)

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Put all policies around a function."""
        inner = self._around(function)

        @wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            return await inner(*args, **kwargs)

        return guarded

    def _around(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        for policy in reversed(self.policies):
            function = partial(policy.call, function)
        return function
