"""Which slot of llama.cpp a request gets, so that no tenant meets another's prompt cache: a pure table.

A slot keeps the tokens of its last request, and the next one that begins alike is answered sooner and told so. So each
request names its slot, and the cache is used only where the slot's tokens are known to be the same tenant's.
llama.cpp lets no embedding and no request for several answers name its slots: such *roaming* work may leave its tokens
in every slot that was free meanwhile. `/slots` tells the last task of each slot, and where that has changed, nothing
is known any more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

QUARANTINE = 30.0
"""Seconds for which a request that was aborted before its first byte may still reach its slot."""
PREFIX = 65_536
"""Bytes of a prompt that are remembered, to find the slot of the same conversation."""
_ALIKE = 10
"""A conversation is continued if this part of the prompt (a tenth) was there before; llama.cpp's own measure."""


@dataclass(frozen=True, slots=True)
class SlotLease:
    """A slot for one request.

    Attributes:
        slot: Its number; `None` if the engine chooses.
        reuses: Whether the slot's cache may be used.
    """

    slot: int | None
    reuses: bool


@dataclass(slots=True)
class _Slot:
    owner: str | None = None
    prompt: bytes = b""
    is_leased: bool = False
    used: int = 0
    unsafe_until: float = 0.0


class SlotTable:
    """The slots of one engine.

    Args:
        count: How many there are.
        clock: Monotonic seconds.

    Example:
        >>> table = SlotTable(2)
        >>> first = table.take("acme", b"hello")
        >>> table.give_back(first)
        >>> table.take("acme", b"hello again")
        SlotLease(slot=0, reuses=True)
        >>> table.take("other", b"hello again")
        SlotLease(slot=1, reuses=False)
    """

    def __init__(self, count: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = [_Slot() for _ in range(count)]
        self._clock = clock
        self._count = 0
        self.roaming = 0

    def take(self, tenant: str, prompt: bytes, *, idle: Collection[int] | None = None) -> SlotLease:
        """Take the slot that suits best: of the same conversation, else one that nobody owns, else the oldest.

        Args:
            tenant: Whom the request is for.
            prompt: Its beginning, at most `PREFIX` bytes count.
            idle: The slots that the engine does not work on, where that has been asked.
        """
        prompt = prompt[:PREFIX]
        free = [n for n, slot in enumerate(self._slots) if not slot.is_leased and (idle is None or n in idle)]
        if not free:
            return SlotLease(None, reuses=False)
        number = max(free, key=lambda n: self._rank(self._slots[n], tenant, prompt))
        slot = self._slots[number]
        is_safe = self._clock() >= slot.unsafe_until and not self.roaming
        reuses = slot.owner == tenant and is_safe
        slot.owner, slot.prompt, slot.is_leased = tenant, prompt, True
        return SlotLease(number, reuses)

    def leased(self) -> frozenset[int]:
        """The slots that requests have by number."""
        return frozenset(number for number, slot in enumerate(self._slots) if slot.is_leased)

    @staticmethod
    def _rank(slot: _Slot, tenant: str, prompt: bytes) -> tuple[int, int, int]:
        if slot.owner == tenant:
            alike = _common(slot.prompt, prompt)
            if alike * _ALIKE >= len(prompt):
                return 2, alike, slot.used
        return int(slot.owner is None), 0, -slot.used

    def give_back(self, lease: SlotLease, *, was_confirmed: bool = True) -> None:
        """Give a slot back.

        Args:
            lease: As it was taken.
            was_confirmed: Whether the engine is known to have begun, so that nothing of the request is still to come.
        """
        if lease.slot is None:
            return
        slot = self._slots[lease.slot]
        self._count += 1
        slot.is_leased, slot.used = False, self._count
        if not was_confirmed:
            slot.unsafe_until = self._clock() + QUARANTINE
        if self._clock() < slot.unsafe_until:
            slot.owner, slot.prompt = None, b""

    def forget(self) -> None:
        """Nothing is known of any slot: the engine is another process, or it did not say."""
        for slot in self._slots:
            slot.owner, slot.prompt = None, b""

    def roamed(self, before: Mapping[int, object], after: Mapping[int, object]) -> None:
        """Forget the free slots that roaming work may have used: those whose last task has changed."""
        for number, slot in enumerate(self._slots):
            if not slot.is_leased and (number not in after or before.get(number, self) != after[number]):
                slot.owner, slot.prompt = None, b""


def _common(one: bytes, other: bytes) -> int:
    """Return the length of what both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
