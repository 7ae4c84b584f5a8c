"""Policies in a row, as one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import TYPE_CHECKING, ParamSpec, TypeVar, overload

from ._fragment import fuse
from ._policy import BasePolicy, Policy, counted_outside
from ._twin import is_asynchronous

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
    from typing import Any

    from ._event import Hook
    from ._stream import OpenStream

P = ParamSpec("P")
T = TypeVar("T")


class Pipeline:
    """Policies around a call: the first is the outermost.

    A pipeline is a policy itself, and as a decorator puts itself around a function, a coroutine function or a plain
    one. Policies of this package are fused: four of them are one frame, not four.

    Args:
        policies: From the outside to the inside.
        name: For statistics and `explain`.
        hooks: Who listens to the events of all policies.

    Example:
        >>> import asyncio
        >>> from hxp_resilience import Retry, Timeout
        >>> @Pipeline(Retry(attempts=3), Timeout(5.0))
        ... async def answer() -> int:
        ...     return 42
        >>> asyncio.run(answer())
        42
    """

    def __init__(self, *policies: Policy, name: str = "pipeline", hooks: Sequence[Hook] = ()) -> None:
        for policy in policies:
            if isinstance(policy, type) or not callable(getattr(policy, "call", None)):
                raise TypeError(f"a pipeline is made of policies, and {policy!r} is none")
        self.policies = policies
        self.name = name
        self._stream_layers: list[Callable[..., Awaitable[Any]]] | None = None
        self.__dict__["call"] = self._frame(asynchronous=True)  # in the place of the method, which only declares it
        for hook in hooks:
            self.watch(hook)

    def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Call the function through all policies.

        Raises:
            ResilienceError: A policy ended the call.
        """
        raise NotImplementedError  # made of the policies

    def call_sync(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a plain function through all policies, in this thread.

        Raises:
            ResilienceError: A policy ended the call.
            TypeError: A policy has no synchronous twin.
        """
        frame = self.__dict__.get("call_sync")
        if frame is None:
            frame = self.__dict__["call_sync"] = self._frame(asynchronous=False)  # not before: not all have a twin
        made: T = frame(function, *args, **kwargs)
        return made

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]: ...

    @overload
    def __call__(self, function: Callable[P, T]) -> Callable[P, T]: ...

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Put all policies around a function: a plain one, a coroutine function, or an asynchronous generator function.

        Raises:
            TypeError: It is a generator function, which does nothing when it is called.
        """
        if isasyncgenfunction(function):

            @wraps(function)
            async def guarded_stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
                async with self.stream(function, *args, **kwargs) as items:
                    async for item in items:
                        yield item

            return guarded_stream
        if isgeneratorfunction(function):
            raise TypeError(f"{function!r} is a generator function: nothing happens when it is called")
        if not is_asynchronous(function):

            @wraps(function)
            def guarded_sync(*args: Any, **kwargs: Any) -> Any:
                return self.call_sync(function, *args, **kwargs)

            return guarded_sync

        @wraps(function)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            return await self.call(function, *args, **kwargs)

        return guarded

    def stream(self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> OpenStream[Any]:
        """Open a stream through all policies.

        Until the first item is there the call is like any other: it may be tried again or hedged. The first item
        commits it: what happens then is the caller's to see. Permits and places are held to the end of the stream.

        Args:
            function: Returns an asynchronous iterator, or an asynchronous context manager of one, or a coroutine of
                either.
            args: For the function.
            kwargs: For the function.

        Returns:
            A context manager of the items; leaving it early closes the stream.
        """
        from ._stream import OpenStream, layers_of  # noqa: PLC0415 (only streams pay for it)

        if self._stream_layers is None:
            self._stream_layers = layers_of(self.flat())
        return OpenStream(self._stream_layers, (function, args, kwargs))

    def watch(self, hook: Hook) -> None:
        """Tell this hook of the events of all policies and of their budgets from now on."""
        for policy in self.flat():
            for watched in (policy, getattr(policy, "budget", None)):
                watch = getattr(watched, "watch", None)
                if watch is not None:
                    watch(hook)

    def flat(self) -> Iterator[Policy]:
        """Return the policies, those of inner pipelines in their place."""
        for policy in self.policies:
            if isinstance(policy, Pipeline):
                yield from policy.flat()
            else:
                yield policy

    def statistics(self) -> dict[str, Any]:
        """Return what each policy counts, by its label."""
        return {
            label: policy.statistics() for label, policy in self.labelled().items() if hasattr(policy, "statistics")
        }

    def labelled(self) -> dict[str, Policy]:
        """Return the policies by label: their names, numbered from the second of the same name on."""
        labels: dict[str, Policy] = {}
        for policy in self.flat():
            name = label = getattr(policy, "name", type(policy).__name__)
            number = 1
            while label in labels:
                number += 1
                label = f"{name} {number}"
            labels[label] = policy
        return labels

    def reload(self, changes: Mapping[str, object]) -> None:
        """Change options while calls are under way; windows, tokens and permits are kept.

        Args:
            changes: By the label of a policy, its new options, or a mapping of those that change. Everything is
                checked before anything is taken over, so that invalid options leave all as it was.

        Raises:
            ValueError: Options make no sense, or there is no such policy.
            TypeError: Something else than options or a mapping was given.
        """
        self.prepare(changes)()

    def prepare(self, changes: Mapping[str, object]) -> Callable[[], None]:
        """Check changes as `reload` does, and return what takes them over."""
        policies = self.labelled()
        ready: list[tuple[BasePolicy[Any], object]] = []
        for label, change in changes.items():
            policy = policies.get(label)
            if not isinstance(policy, BasePolicy):
                message = f"no policy {label!r} can be reloaded here; there are {', '.join(policies)}"
                raise ValueError(message)  # noqa: TRY004 (the label is wrong, whatever stands under it)
            ready.append((policy, _checked(policy, change)))

        def apply() -> None:
            for policy, options in ready:
                policy.reload(options)

        return apply

    def explain(self) -> str:
        """Say in words what the pipeline does to a call, from the outside to the inside."""
        lines = [f"{self.name}:"]
        for number, (label, policy) in enumerate(self.labelled().items(), 1):
            explain = getattr(policy, "explain", None)
            words = type(policy).__name__ if explain is None else explain()
            options = getattr(policy, "options", None)
            shadow = " (shadow: only counted)" if getattr(options, "shadow", False) else ""
            lines.append(f"{number}. {label}: {words}{shadow}")
        return "\n".join(lines)

    def _frame(self, *, asynchronous: bool) -> Callable[..., Any]:
        """Fuse what can be fused; a policy of somebody else calls what is right of it as a whole."""
        within: Callable[..., Any] | None = None
        run: list[tuple[Any, str]] = []
        policies = list(self.flat())
        for policy, counted in reversed(list(zip(policies, counted_outside(policies), strict=True))):
            fragment = getattr(policy, "fragment", None)
            if counted and fragment is not None:
                fragment = getattr(policy, "counted_fragment", fragment)
            if fragment is not None:
                run.insert(0, (policy, fragment))
                continue
            if run or within is None:
                within = fuse(run, asynchronous=asynchronous, within=within)
                run = []
            within = _nested(policy, within, asynchronous=asynchronous, counted=counted)
        return within if within is not None and not run else fuse(run, asynchronous=asynchronous, within=within)


def _checked(policy: BasePolicy[Any], change: object) -> object:
    if isinstance(change, type(policy.options)):
        return change
    if isinstance(change, Mapping):
        try:
            return policy.changed(**change)
        except TypeError as error:
            raise ValueError(f"{policy.name} has no such option: {error}") from None
    wanted = type(policy.options).__name__
    raise TypeError(f"{policy.name} takes {wanted} or a mapping, not {type(change).__name__}")


def _nested(policy: Policy, within: Callable[..., Any], *, asynchronous: bool, counted: bool) -> Callable[..., Any]:
    name = "call" if asynchronous else "call_sync"
    if counted and hasattr(policy, "call_counted"):
        name = name.replace("call", "call_counted", 1)
    call = getattr(policy, name, None)
    if call is None:
        raise TypeError(f"{type(policy).__name__} has no synchronous twin: await `pipeline.call` instead")

    def outer(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return call(within, function, *args, **kwargs)

    return outer
