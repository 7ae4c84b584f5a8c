"""Something else instead of an error."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, ClassVar

from ._matching import matcher
from ._policy import BasePolicy
from ._twin import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._matching import Matcher

_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class FallbackOptions:
    """When to fall back.

    Attributes:
        on: Exception types or a predicate.
        shadow: Only watch: count the calls that would have fallen back, and let the error through.
    """

    on: Matcher = Exception
    shadow: bool = False

    def __post_init__(self) -> None:
        matcher(self.on)


@dataclass(frozen=True, slots=True)
class FallbackStatistics:
    """A fallback since its start.

    Attributes:
        used: Calls that fell back, or would have in shadow mode.
        failed: Calls in which the fallback failed too.
    """

    used: int
    failed: int


class Fallback(BasePolicy[FallbackOptions]):
    """Answers with something else when the call fails.

    Args:
        function: Called with the error and the arguments of the call; a coroutine function or a plain one.
        value: The answer itself, instead of a function.
        on: Exception types or a predicate; every `Exception` by default.
        options: Instead of `on`.

    Example:
        >>> def lookup() -> str:
        ...     raise ConnectionError
        >>> Fallback(value="unknown").call_sync(lookup)
        'unknown'
    """

    __slots__ = ("_failed", "_function", "_matches", "_used", "_value")

    fragment: ClassVar[str] = """
try:
    {inner}
except Exception as error:
    if not {p}._applies(error):
        raise
    result = await {p}._rescue_async(error, args, kwargs)
"""

    def __init__(
        self,
        function: Callable[..., Any] | None = None,
        *,
        value: Any = _NOTHING,
        on: Matcher = Exception,
        options: FallbackOptions | None = None,
    ) -> None:
        if (function is None) == (value is _NOTHING):
            raise ValueError("give either a function or a value, and not both")
        super().__init__("fallback", options or FallbackOptions(on))
        self._function = function
        self._value = value
        self._used = self._failed = 0
        self.reload(self.options)

    def reload(self, options: FallbackOptions) -> None:
        """Go by other options from now on."""
        self.options = options
        self._matches = matcher(options.on)

    def statistics(self) -> FallbackStatistics:
        """Return the counts at this moment."""
        return FallbackStatistics(self._used, self._failed)

    def explain(self) -> str:
        """Say in words what the policy does."""
        what = "a fixed value" if self._function is None else getattr(self._function, "__name__", "a function")
        return f"answer with {what} when the call fails"

    def _applies(self, error: Exception) -> bool:
        if not self._matches(error):
            return False
        shadow = self.options.shadow
        self._used += 1
        if self.hooks:
            self.tell("fallback.used", error=error, shadow=shadow)
        return not shadow

    async def _rescue_async(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._function is None:
            return self._value
        try:
            answer = self._function(error, *args, **kwargs)
            return await answer if isawaitable(answer) else answer
        except Exception:
            self._failed += 1
            raise

    def _rescue_sync(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._function is None:
            return self._value
        try:
            return plain(self._function(error, *args, **kwargs), "the fallback")
        except Exception:
            self._failed += 1
            raise


@dataclass(frozen=True, slots=True)
class LadderStatistics:
    """A ladder since its start.

    Attributes:
        level: Where the last call was answered: the name of a rung, or `full`.
        answered: Calls answered on each rung, or that would have been tried there in shadow mode.
        failed: Calls that no rung could answer.
    """

    level: str
    answered: dict[str, int]
    failed: int


class Ladder(BasePolicy[FallbackOptions]):
    """Goes down named rungs until one answers, and says on which rung the program stands.

    Args:
        rungs: Functions by name, the best first; each is called with the arguments of the call.
        on: Exception types or a predicate: which errors lead down. On a rung every `Exception` does.
        options: Instead of `on`.

    Example:
        >>> def large(question: str) -> str:
        ...     raise ConnectionError
        >>> ladder = Ladder({"small model": str.upper, "cached": str.lower})
        >>> ladder.call_sync(large, "Why?"), ladder.level
        ('WHY?', 'small model')
    """

    __slots__ = ("_answered", "_failed", "_level", "_matches", "_rungs")

    fragment: ClassVar[str] = """
try:
    {inner}
except Exception as error:
    if not {p}._applies(error):
        raise
    result = await {p}._descend_async(error, args, kwargs)
else:
    {p}._level = "full"
"""

    def __init__(
        self,
        rungs: Mapping[str, Callable[..., Any]],
        *,
        on: Matcher = Exception,
        options: FallbackOptions | None = None,
    ) -> None:
        if not rungs or "full" in rungs:
            raise ValueError("a ladder needs at least one rung, and none of them may be called 'full'")
        super().__init__("ladder", options or FallbackOptions(on))
        self._rungs = dict(rungs)
        self._answered = dict.fromkeys(rungs, 0)
        self._failed = 0
        self._level = "full"
        self.reload(self.options)

    @property
    def level(self) -> str:
        """Where the last call was answered."""
        return self._level

    def reload(self, options: FallbackOptions) -> None:
        """Go by other options from now on."""
        self.options = options
        self._matches = matcher(options.on)

    def statistics(self) -> LadderStatistics:
        """Return the counts at this moment."""
        return LadderStatistics(self._level, dict(self._answered), self._failed)

    def explain(self) -> str:
        """Say in words what the policy does."""
        return f"when the call fails, answer by the first of these that can: {', '.join(self._rungs)}"

    def _applies(self, error: Exception) -> bool:
        if not self._matches(error):
            return False
        if self.options.shadow:
            first = next(iter(self._rungs))
            self._answered[first] += 1
            self.tell("ladder.descended", first, error=error, shadow=True)
        return not self.options.shadow

    async def _descend_async(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        last = error
        for name, function in self._rungs.items():
            try:
                answer = function(*args, **kwargs)
                result = await answer if isawaitable(answer) else answer
            except Exception as failure:  # noqa: BLE001 (the next rung is for every error)
                last = failure
            else:
                self._stand_on(name, error)
                return result
        self._failed += 1
        raise last

    def _descend_sync(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        last = error
        for name, function in self._rungs.items():
            try:
                result = plain(function(*args, **kwargs), f"the rung {name!r}")
            except Exception as failure:  # noqa: BLE001 (the next rung is for every error)
                last = failure
            else:
                self._stand_on(name, error)
                return result
        self._failed += 1
        raise last

    def _stand_on(self, name: str, error: Exception) -> None:
        self._answered[name] += 1
        if self._level != name:
            self._level = name
            self.tell("ladder.descended", name, error=error)
