"""One place for what a function does with its errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ._twin import is_asynchronous

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Mapping

    from ._reporter import ErrorReporter

P = ParamSpec("P")
T = TypeVar("T")
_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class _Rules:
    on: type[Exception] | tuple[type[Exception], ...]
    mapping: Mapping[type[Exception], Callable[[Exception], Exception]]
    context: str
    default: Any
    reporter: ErrorReporter | None

    def handle(self, error: Exception) -> Any:
        """Return what to answer instead; raise what the caller shall see."""
        if self.context and self.context not in getattr(error, "__notes__", ()):
            error.add_note(self.context)
        if self.reporter is not None:
            self.reporter.report(error, self.context)
        if self.default is not _NOTHING:
            return self.default(error) if callable(self.default) else self.default
        for kind in type(error).__mro__:
            make = self.mapping.get(kind)
            if make is not None:
                raise make(error) from error
        raise error


def handle_errors(
    on: type[Exception] | tuple[type[Exception], ...] = Exception,
    *,
    mapping: Mapping[type[Exception], Callable[[Exception], Exception]] | None = None,
    context: str = "",
    default: Any = _NOTHING,
    reporter: ErrorReporter | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Map the errors of a function, add context to them, report them, and raise them again or answer instead.

    For plain and coroutine functions, generators and asynchronous generators. A generator that fails yields the default
    as its last item. Cancellation is no error and passes.

    Args:
        on: Which errors; others pass.
        mapping: What to raise instead, by type of the error, the nearest type first; the original is the cause.
        context: Added to the error as a note.
        default: What to answer instead of raising, or a function of the error that makes it.
        reporter: Who is told.

    Returns:
        A decorator that keeps the function's signature.

    Example:
        >>> class NotFoundError(Exception):
        ...     pass
        >>> @handle_errors(KeyError, mapping={KeyError: lambda error: NotFoundError(f"no {error}")})
        ... def find(name: str) -> str:
        ...     return {}[name]
        >>> find("x")
        Traceback (most recent call last):
            ...
        hxp_resilience._handling.NotFoundError: no 'x'
    """
    rules = _Rules(on, dict(mapping or {}), context, default, reporter)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        made: Any
        if isasyncgenfunction(function):
            made = _around_async_generator(rules, function)
        elif isgeneratorfunction(function):
            made = _around_generator(rules, function)
        elif is_asynchronous(function):
            made = _around_coroutine(rules, function)
        else:
            made = _around_function(rules, function)
        kept: Callable[P, T] = wraps(function)(made)
        return kept

    return decorate


def _around_function(rules: _Rules, function: Callable[..., Any]) -> Callable[..., Any]:
    def handled(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except rules.on as error:
            return rules.handle(error)

    return handled


def _around_coroutine(rules: _Rules, function: Callable[..., Any]) -> Callable[..., Any]:
    async def handled(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except rules.on as error:
            return rules.handle(error)

    return handled


def _around_generator(rules: _Rules, function: Callable[..., Any]) -> Callable[..., Any]:
    def handled(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        try:
            return (yield from function(*args, **kwargs))
        except rules.on as error:
            instead = rules.handle(error)
        yield instead
        return None

    return handled


def _around_async_generator(rules: _Rules, function: Callable[..., Any]) -> Callable[..., Any]:
    async def handled(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        items = function(*args, **kwargs)
        try:
            async for item in items:
                yield item
        except rules.on as error:
            instead = rules.handle(error)
        else:
            return
        finally:
            await items.aclose()
        yield instead

    return handled
