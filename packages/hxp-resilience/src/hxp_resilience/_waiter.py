"""Those who wait for a place: tasks and threads in one queue."""

from __future__ import annotations

from contextlib import suppress
from threading import TIMEOUT_MAX, Condition, get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class TaskWaiter:
    """A task in the queue.

    Args:
        loop: Its event loop.
        give_back: Called when a place was given to one who had already left.
    """

    __slots__ = ("_give_back", "_loop", "_thread", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop, give_back: Callable[[], None]) -> None:
        self.future: asyncio.Future[bool] = loop.create_future()
        self._give_back = give_back
        self._loop = loop
        self._thread = get_ident()

    def give(self) -> bool:
        """Give it a place; tell whether it takes it."""
        if get_ident() == self._thread:
            if self.future.done() or self._loop.is_closed():  # cancelled, and not awake yet; or never to wake
                return False
            self.future.set_result(True)
            return True
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # its loop is closed
            return False
        return True

    def refuse(self) -> None:
        """Send it away: its time is over, or somebody more urgent came."""
        if get_ident() == self._thread:
            self._refuse()
            return
        with suppress(RuntimeError):  # its loop is closed, and it is gone
            self._loop.call_soon_threadsafe(self._refuse)

    def has_place(self) -> bool:
        """Tell whether it was given a place before it left."""
        return self.future.done() and not self.future.cancelled() and self.future.result()

    def _deliver(self) -> None:
        if self.future.done():
            self._give_back()
        else:
            self.future.set_result(True)

    def _refuse(self) -> None:
        if not self.future.done():
            self.future.set_result(False)


class ThreadWaiter:
    """A thread in the queue."""

    __slots__ = ("_condition", "_given")

    def __init__(self) -> None:
        self._condition = Condition()
        self._given: bool | None = None

    def give(self) -> bool:
        """Give it a place; tell whether it takes it."""
        return self._answer(given=True)

    def refuse(self) -> None:
        """Send it away."""
        self._answer(given=False)

    def wait(self, seconds: float | None) -> bool:
        """Wait for an answer; tell whether it is a place.

        Args:
            seconds: How long; None for as long as it takes.
        """
        with self._condition:
            try:
                self._condition.wait_for(
                    lambda: self._given is not None, None if seconds is None else min(seconds, TIMEOUT_MAX)
                )
            except BaseException:  # an interrupt: nobody may give it a place any more
                if self._given is None:
                    self._given = False
                raise
            if self._given is None:
                self._given = False
            return self._given

    def has_place(self) -> bool:
        """Tell whether it was given a place before it left."""
        return self._given is True

    def _answer(self, *, given: bool) -> bool:
        with self._condition:
            if self._given is not None:
                return False
            self._given = given
            self._condition.notify()
            return True
