"""Places requests in the slots of llama.cpp, and learns when the engine is done with them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._slots import SlotTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ._slots import SlotLease

_POLL = (0.02, 0.25)
_LONGEST = 30.0
"""Seconds after which an engine that still works for nobody is no longer waited for."""
_ROAMING = 5.0
"""The same for work that cannot be told from that of others; llama.cpp looks once a second whether somebody left."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """One slot, as the engine tells it.

    Attributes:
        task: The number of its last task; `None` if it never had one.
        is_busy: Whether the task goes on.
    """

    task: int | None
    is_busy: bool


class Placement:
    """Gives each request its slot.

    Args:
        slots: How many slots the engine has.
        look: Asks the engine for the state of its slots; empty when it does not answer.
    """

    def __init__(self, slots: int, look: Callable[[], Awaitable[Mapping[int, SlotState]]]) -> None:
        self.table = SlotTable(slots)
        self._look = look
        self._beginning: set[SlotLease] = set()
        self._has_begun = asyncio.Event()
        self._has_begun.set()

    async def take(self, tenant: str, prompt: bytes) -> SlotLease:
        """Take a slot for one answer."""
        idle = None
        if self.table.roaming:
            idle = {number for number, state in (await self._look()).items() if not state.is_busy}
        lease = self.table.take(tenant, prompt, idle=idle)
        if lease.reuses:
            self._beginning.add(lease)
            self._has_begun.clear()
        return lease

    def began(self, lease: SlotLease) -> None:
        """The engine has looked at the slot's cache, or never will."""
        self._beginning.discard(lease)
        if not self._beginning:
            self._has_begun.set()

    def give_back(self, lease: SlotLease) -> None:
        """Give a slot back whose answer is complete."""
        self.table.give_back(lease)

    async def give_back_cut(self, lease: SlotLease, *, was_confirmed: bool) -> None:
        """Give the slot of an answer back that was cut short, once the engine has stopped working on it."""
        try:
            await self._until(
                lambda states: not any(n == lease.slot and s.is_busy for n, s in states.items()), _LONGEST
            )
        finally:
            self.table.give_back(lease, was_confirmed=was_confirmed)

    async def begin_roaming(self) -> Mapping[int, SlotState]:
        """Begin work that may use any free slot; what comes back is for `end_roaming`.

        From now on nobody uses a cache, and those who are about to are waited for: they must find their own tokens.
        """
        self.table.roaming += 1
        try:
            await self._has_begun.wait()
            return await self._look()
        except BaseException:
            self.table.roaming -= 1
            raise

    async def end_roaming(self, before: Mapping[int, SlotState], *, was_cut: bool) -> None:
        """End such work, once the engine is done with it if it was cut."""
        after: Mapping[int, SlotState] = {}
        try:
            if was_cut:
                leased = self.table.leased()
                mine = {n: s.task for n, s in (await self._look()).items() if s.is_busy and n not in leased}
                await self._until(
                    lambda now: not any(s.is_busy and mine.get(n) == s.task for n, s in now.items()), _ROAMING
                )
            after = await self._look()
        finally:
            self.table.roaming -= 1
            self.table.roamed(_tasks(before), _tasks(after))

    async def _until(self, is_done: Callable[[Mapping[int, SlotState]], bool], seconds: float) -> None:
        pause, waited = _POLL[0], 0.0
        while not is_done(await self._look()) and waited < seconds:
            await asyncio.sleep(pause)
            waited += pause
            pause = min(pause * 2, _POLL[1])


def _tasks(states: Mapping[int, SlotState]) -> dict[int, object]:
    return {number: state.task for number, state in states.items()}
