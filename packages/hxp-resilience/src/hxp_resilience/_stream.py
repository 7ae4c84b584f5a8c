"""Streams: patient for the first item, watchful between items, and never tried again after the first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from ._deadline import current_deadline
from ._fragment import fuse
from ._items import Items, broken
from ._policy import BasePolicy, counted_outside
from ._valid import positive
from .errors import DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType
    from typing import Any

    from ._policy import Policy
    from .errors import StreamBrokenError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamGuardOptions:
    """How slow a stream may be, and how it ends.

    Attributes:
        first_item: Seconds in which the first item must come; the current `Deadline` counts too.
        idle: Seconds in which each further item must come, counted while somebody waits for it.
        is_end: A predicate on items that knows the one that says that all is there, such as `[DONE]` or the chunk with
            a `finish_reason`; a stream that ends without having said so was cut. More items may follow it (OpenAI
            sends the usage after the last choice). Without a predicate every end is one.
        shadow: Only watch: count the streams that would have been ended or called broken.
    """

    first_item: float | None = None
    idle: float | None = None
    is_end: Callable[[Any], bool] | None = None
    shadow: bool = False

    def __post_init__(self) -> None:
        for name in ("first_item", "idle"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))
        if self.is_end is not None and not callable(self.is_end):
            raise ValueError(f"is_end must be a predicate on items, not {self.is_end!r}")


@dataclass(frozen=True, slots=True)
class StreamGuardStatistics:
    """A stream guard since its start.

    Attributes:
        completed: Streams that came to their end.
        late: Streams whose first item did not come in time.
        idle: Streams in which a further item did not come in time.
        cut: Streams that ended before an item said that all is there.
    """

    completed: int
    late: int
    idle: int
    cut: int


class StreamGuard(BasePolicy[StreamGuardOptions]):
    """Watches over streams that go through `Pipeline.stream`; other calls it lets pass.

    Args:
        first_item: Seconds in which the first item must come; or all the options.
        idle: Seconds in which each further item must come.
        is_end: A predicate that knows the item that says that all is there; more may follow it.

    Example:
        >>> from hxp_resilience import Pipeline
        >>> async def count():
        ...     yield 1
        ...     yield "end"
        >>> async def main() -> None:
        ...     pipeline = Pipeline(StreamGuard(first_item=10.0, idle=5.0, is_end=lambda item: item == "end"))
        ...     async with pipeline.stream(count) as items:
        ...         print([item async for item in items])
        >>> asyncio.run(main())
        [1, 'end']
    """

    __slots__ = ("completed", "cut", "idle", "late")

    fragment: ClassVar[str] = "{inner}"

    def __init__(
        self,
        first_item: float | StreamGuardOptions | None = None,
        *,
        idle: float | None = None,
        is_end: Callable[[Any], bool] | None = None,
    ) -> None:
        if not isinstance(first_item, StreamGuardOptions):
            first_item = StreamGuardOptions(first_item, idle, is_end)
        super().__init__("stream_guard", first_item)
        self.completed = self.late = self.idle = self.cut = 0

    def statistics(self) -> StreamGuardStatistics:
        """Return the counts at this moment."""
        return StreamGuardStatistics(self.completed, self.late, self.idle, self.cut)

    def explain(self) -> str:
        """Say in words what the policy does."""
        options = self.options
        said = []
        if options.first_item is not None:
            said.append(f"the first item must come within {options.first_item:g} s")
        if options.idle is not None:
            said.append(f"each further one within {options.idle:g} s")
        if options.is_end is not None:
            said.append("an end that no item announced is a failure")
        return f"of a stream, {', '.join(said) or 'nothing is asked'}; after its first item nothing is tried again"

    def judge(self, kind: str, message: str, *, committed: bool) -> StreamBrokenError | None:
        """Count a stream that broke; return the error, unless this is only watched."""
        shadow = self.options.shadow
        setattr(self, kind, getattr(self, kind) + 1)
        if self.hooks:
            self.tell(f"stream.{kind}", message, shadow=shadow)
        return None if shadow else broken(message, committed=committed)


def layers_of(policies: Iterable[Policy]) -> list[Callable[..., Awaitable[Any]]]:
    """Return the functions that open a stream through policies: each takes the next one, and what that takes.

    Args:
        policies: From the outside to the inside.

    Returns:
        The functions from the inside to the outside; the first takes the function that returns the stream.
    """
    known = list(policies)
    guard = next((policy for policy in known if isinstance(policy, StreamGuard)), None)
    layers: list[Callable[..., Awaitable[Any]]] = [partial(_begin, guard)]
    for policy, counted in reversed(list(zip(known, counted_outside(known), strict=True))):
        if hasattr(policy, "hold"):
            layers.append(partial(_held, policy))
        elif counted and hasattr(policy, "counted_fragment"):
            layers.append(fuse([(policy, policy.counted_fragment)], asynchronous=True))
        elif counted and hasattr(policy, "call_counted"):
            layers.append(policy.call_counted)
        elif not isinstance(policy, StreamGuard):
            layers.append(policy.call)
    return layers


class OpenStream(Generic[T]):
    """The context of one stream; entering it opens the stream through the policies.

    Args:
        layers: The functions that open a stream through the policies; see `layers_of`.
        call: The function that returns the stream, with its arguments.
    """

    def __init__(
        self,
        layers: Iterable[Callable[..., Awaitable[Any]]],
        call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]],
    ) -> None:
        self._layers = layers
        self._call = call
        self._items: Items[T] | None = None

    async def __aenter__(self) -> Items[T]:
        opening, args, kwargs = self._call
        for layer in self._layers:
            opening = partial(layer, opening)
        self._items = await _as_items(await opening(*args, **kwargs))
        return self._items

    def fail(self, error: BaseException) -> None:
        """Count the stream as failed with `error`, where only its reader can judge its end; the first verdict stays."""
        if self._items is not None:
            self._items.settle(error)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._items is not None:
            await self._items.close()


async def _begin(guard: StreamGuard | None, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Items[Any]:
    """Ask for a stream and wait for its first item."""
    items: Items[Any] = Items(guard)
    patience = None if guard is None else guard.options.first_item
    watched = guard is not None and guard.options.shadow
    deadline = None if guard is None else current_deadline()
    left = float("inf") if deadline is None else deadline.remaining()
    by_deadline = left < float("inf") and (watched or patience is None or left < patience)
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        async with asyncio.timeout(left if by_deadline else None if watched else patience) as scope:
            await items.start(function(*args, **kwargs))
    except BaseException as error:
        await items.close_source()
        if guard is None or not (isinstance(error, TimeoutError) and scope.expired()):
            raise
        if by_deadline:
            message = "the deadline passed before the first item"
            raise DeadlineExceededError(message, timeline=(message,)) from error
        judged = guard.judge("late", f"no first item within {patience:g} s", committed=False)
        raise judged or error from error
    if guard is not None and watched and patience is not None and loop.time() - started >= patience:
        guard.judge("late", "the first item came late", committed=False)
    return items


async def _held(policy: Any, opening: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Items[Any]:
    """Open a stream under a policy that holds a permit or a place until the stream ends."""
    deadline = current_deadline()
    if deadline is not None:
        deadline.check()
    finish = await policy.hold()
    try:
        items = await _as_items(await opening(*args, **kwargs))
    except BaseException as error:
        finish(error)
        raise
    items.hold(finish)
    if items.has_begun and (begin := getattr(finish, "begin", None)) is not None:
        try:
            begin(items.first)
        except BaseException:
            await items.discard()
            raise
    return items


async def _as_items(given: Any) -> Items[Any]:
    """Take what a fallback returned for a stream, too."""
    return given if isinstance(given, Items) else await _begin(None, lambda: given)
