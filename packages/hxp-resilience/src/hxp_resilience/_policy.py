"""What all policies share."""

from __future__ import annotations

from dataclasses import replace
from functools import update_wrapper
from typing import TYPE_CHECKING, ClassVar, Generic, ParamSpec, Protocol, TypeVar

from ._event import Event, tell
from ._fragment import as_method

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from typing import Any

    from ._event import Hook

P = ParamSpec("P")
T = TypeVar("T")
O = TypeVar("O")  # noqa: E741 (options)


class Policy(Protocol):
    """What a pipeline is made of: it decides whether, when and how often a function is called."""

    def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Call the function under this policy."""
        ...


class BasePolicy(Generic[O]):
    """A policy of this package: options that can be changed, hooks, and a fragment that a pipeline weaves in.

    Attributes:
        name: Of the policy, for messages, events and statistics.
        options: What it goes by now.
        hooks: Who listens.
    """

    __slots__ = ("hooks", "name", "options")

    fragment: ClassVar[str]
    options: O

    def __init_subclass__(cls) -> None:
        """Make the two methods of a policy out of its fragment."""
        if "fragment" in vars(cls):
            for name, asynchronous in (("call", True), ("call_sync", False)):
                woven = as_method(cls.fragment, asynchronous=asynchronous)
                setattr(cls, name, update_wrapper(woven, getattr(BasePolicy, name)))

    def __init__(self, name: str, options: O) -> None:
        self.name = name
        self.options = options
        self.hooks: tuple[Hook, ...] = ()

    def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Call the function under this policy.

        Raises:
            ResilienceError: The policy ended the call.
        """
        raise NotImplementedError  # made of the fragment

    def call_sync(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a plain function under this policy, in this thread.

        Raises:
            ResilienceError: The policy ended the call.
        """
        raise NotImplementedError  # made of the fragment

    def watch(self, hook: Hook) -> None:
        """Tell this hook of every event from now on; once, however often it is given."""
        if hook not in self.hooks:
            self.hooks = (*self.hooks, hook)

    def reload(self, options: O) -> None:
        """Go by other options from now on; what the policy has counted is kept."""
        self.options = options

    def changed(self, **changes: Any) -> O:
        """Return the options with some of them changed, validated anew, without taking them over."""
        changed: O = replace(self.options, **changes)  # type: ignore[type-var]  # options are dataclasses
        return changed

    def explain(self) -> str:
        """Say in words what the policy does."""
        raise NotImplementedError

    def tell(
        self,
        kind: str,
        detail: str = "",
        *,
        seconds: float | None = None,
        error: BaseException | None = None,
        shadow: bool = False,
    ) -> None:
        """Tell the hooks; without any, nothing is made."""
        if self.hooks:
            kind_of = None if error is None else type(error).__name__
            tell(self.hooks, Event(kind, self.name, detail, seconds, kind_of, shadow))


def counted_outside(policies: Sequence[Policy]) -> list[bool]:
    """Tell of each policy whether one further out has counted the call for the budget that they share.

    Args:
        policies: From the outside to the inside.
    """
    seen: set[int] = set()
    counted = []
    for policy in policies:
        budget = getattr(policy, "budget", None)
        counted.append(budget is not None and id(budget) in seen)
        seen.add(id(budget))
    return counted
