"""The items of one open stream, and what is held until it ends."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING, Generic, TypeVar

from ._expiry import is_own
from .errors import StreamBrokenError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from ._stream import StreamGuard

T = TypeVar("T")
_NOTHING: Any = object()


class Items(Generic[T]):
    """An asynchronous iterator over a stream that has begun.

    Args:
        guard: What watches over it.
    """

    def __init__(self, guard: StreamGuard | None = None) -> None:
        self._guard = guard
        self._source: AsyncIterator[T] | None = None
        self._manager: Any = None
        self._first: T = _NOTHING
        self._end_seen = self._settled = self._at_end = False
        self._watch: _IdleWatch | None = None
        self._finishers: list[Callable[[BaseException | None], None]] = []

    def __aiter__(self) -> Items[T]:
        return self

    async def __anext__(self) -> T:
        if self._first is not _NOTHING:
            item, self._first = self._first, _NOTHING
            return item
        if self._at_end:
            raise StopAsyncIteration
        try:
            item = await self._next()
        except StopAsyncIteration:
            self._at_end = True
            error = self._cut(committed=True)
            self.settle(error)
            if error is not None:
                raise error from None
            raise
        except BaseException as error:
            self._at_end = True
            self.settle(error)
            raise
        self._look_at(item)
        return item

    @property
    def has_begun(self) -> bool:
        """Whether a first item waits to be read."""
        return self._first is not _NOTHING

    @property
    def first(self) -> T:
        """The first item, while `has_begun`."""
        return self._first

    async def start(self, given: Any) -> None:
        """Take a stream in whatever form it comes, up to its first item."""
        if isawaitable(given) and not hasattr(given, "__aenter__"):
            given = await given
        if hasattr(given, "__aenter__") and not hasattr(given, "__anext__"):
            entered = await given.__aenter__()
            self._manager, given = given, entered
        if not hasattr(given, "__aiter__"):
            raise TypeError(f"a stream is an asynchronous iterator, or a context manager of one, not {given!r}")
        source: AsyncIterator[T] = given.__aiter__()
        self._source = source
        try:
            self._first = await source.__anext__()
        except StopAsyncIteration:
            self._at_end = True
            error = self._cut(committed=False)
            if error is not None:
                raise error from None
        else:
            self._look_at(self._first)

    def hold(self, finish: Callable[[BaseException | None], None]) -> None:
        """Have this called at the end, with the error if there was one."""
        self._finishers.append(finish)

    def settle(self, error: BaseException | None) -> None:
        """Give back what is held, once."""
        if not self._settled:
            self._settled = True
            if self._guard is not None and error is None:
                self._guard.completed += 1
            failure: BaseException | None = None
            for finish in self._finishers:  # each one, even if another raises; the innermost came first
                try:
                    finish(error)
                except BaseException as raised:  # noqa: BLE001 (raised below, when all have had their turn)
                    failure = raised
            if failure is not None:
                raise failure

    async def close(self) -> None:
        """Leave the stream: before its end, that says nothing about the target."""
        self.settle(None if self._end_seen or self._at_end else GeneratorExit())
        if self._watch is not None:
            self._watch.close()
        await self.close_source()

    async def discard(self) -> None:
        """Close a stream that nobody wants any more."""
        await self.close()

    async def close_source(self) -> None:
        """Close what the items come from."""
        source, manager = self._source, self._manager
        self._source = self._manager = None
        try:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
        finally:
            if manager is not None:
                await manager.__aexit__(None, None, None)

    async def _next(self) -> T:
        source, guard = self._source, self._guard
        if source is None:
            raise StopAsyncIteration
        if guard is None or guard.options.idle is None:
            return await source.__anext__()
        if self._watch is None:
            self._watch = _IdleWatch(guard.options.idle, shadow=guard.options.shadow)
        watch = self._watch
        watch.begin()
        try:
            return await source.__anext__()
        except BaseException as error:
            if watch.is_own(error):
                message = f"no item within {watch.seconds:g} s"  # though the guard may only watch by now
                raise guard.judge("idle", message, committed=True) or broken(message, committed=True) from error
            raise
        finally:
            if watch.end():
                guard.judge("idle", "an item came late", committed=True)

    def _look_at(self, item: T) -> None:
        guard = self._guard
        if guard is not None and guard.options.is_end is not None and guard.options.is_end(item):
            self._end_seen = True

    def _cut(self, *, committed: bool) -> BaseException | None:
        guard = self._guard
        if guard is None or guard.options.is_end is None or self._end_seen:
            return None
        return guard.judge("cut", "the stream ended without its end", committed=committed)


def broken(message: str, *, committed: bool) -> StreamBrokenError:
    """Make the error; a stream of which nothing was handed on may be asked for again."""
    error = StreamBrokenError(message, timeline=(message,))
    error.committed = committed
    error.retryable = not committed
    return error


class _IdleWatch:
    """One timer for all items of a stream: an item costs a look at the clock, the timer arms itself anew."""

    def __init__(self, seconds: float, *, shadow: bool) -> None:
        self.seconds = seconds
        self._shadow = shadow
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None  # which waits for an item
        self._before = 0  # cancellations that were asked of it before
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0

    def begin(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (something awaits this item)
        self._since = self._loop.time()
        self._task, self._before, self._expired = task, task.cancelling(), False
        if self._timer is None and not self._shadow:
            self._timer = self._loop.call_at(self._since + self.seconds, self._fire)

    def is_own(self, error: BaseException) -> bool:
        return self._expired and self._task is not None and is_own(self._task, self._before, error)

    def end(self) -> bool:
        """Stop counting; tell whether an item came late that was only watched."""
        self._task = None
        return self._shadow and self._loop.time() - self._since >= self.seconds

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if self._task is None:
            return  # nobody waits; the next one who does arms it
        when = self._since + self.seconds
        if when > self._loop.time():
            self._timer = self._loop.call_at(when, self._fire)
        else:
            self._expired = True
            self._task.cancel()
