"""Who gets the next slot, and who has to leave a full queue: a pure state machine, one queue for each tenant."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

_OVERTAKEN = 8
"""How many tickets, for each slot, may go ahead of one that needs more slots than are free."""


class Standing(Enum):
    """Where a ticket stands."""

    WAITING = "waiting"
    RUNNING = "running"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Ticket:
    """One request on its way through the queue.

    Attributes:
        tenant: Whose it is.
        slots: Slots that it takes.
        standing: Where it stands.
        is_kept: Whether it ran before; it is neither counted nor displaced in the queue.
        number: Its turn among those of its tenant.
        overtaken: How many tickets went ahead because it needs more slots than were free.
    """

    tenant: str
    slots: int = 1
    standing: Standing = Standing.WAITING
    is_kept: bool = False
    number: int = 0
    overtaken: int = 0


@dataclass(slots=True)
class _Tenant:
    running: int = 0
    served: int = 0
    waiting: deque[Ticket] = field(default_factory=deque)

    @property
    def load(self) -> int:
        return self.running + len(self.waiting)


class FairQueue:
    """Shares slots between tenants.

    A free slot goes to the tenant with the fewest slots in use; among equals, to the one that was served longest ago.
    When the queue is full, a ticket of a tenant that has less in use and in the queue takes the place of the newest of
    the tenant that has most. A tenant is remembered only while it has a ticket here.

    Args:
        slots: Slots to share.
        queue: Tickets that may wait.
    """

    def __init__(self, slots: int, queue: int) -> None:
        self._slots = slots
        self._queue = queue
        self._tenants: dict[str, _Tenant] = {}
        self._count = 0
        self.running = 0
        self.waiting = 0

    def offer(self, ticket: Ticket) -> list[Ticket]:
        """Take a new ticket in.

        Returns:
            The tickets whose standing changed, this one among them unless it waits.
        """
        self._count += 1
        ticket.number = self._count
        self._tenants.setdefault(ticket.tenant, _Tenant(served=self._count)).waiting.append(ticket)
        self.waiting += 1
        changed = self._admit()
        if ticket.standing is Standing.WAITING and self.waiting > self._queue:
            changed.append(self._displace(ticket))
        return changed

    def leave(self, ticket: Ticket) -> list[Ticket]:
        """Take a ticket out, whatever its standing; the tickets that it makes room for."""
        if ticket.standing is Standing.WAITING:
            self._remove(ticket)
        elif ticket.standing is Standing.RUNNING:
            self._free(ticket)
        ticket.standing = Standing.GONE
        self._forget(ticket.tenant)
        return self._admit()

    def step_back(self, ticket: Ticket) -> list[Ticket]:
        """Let others go first if that is fair: tenants that wait and have fewer slots in use.

        Returns:
            The tickets whose standing changed; none if `ticket` goes on running.
        """
        own = self._tenants[ticket.tenant].running
        others = [tenant for name, tenant in self._tenants.items() if name != ticket.tenant and tenant.waiting]
        if not any(tenant.running < own for tenant in others):
            return []
        self._free(ticket)
        ticket.standing, ticket.is_kept = Standing.WAITING, True
        tenant = self._tenants[ticket.tenant]
        tenant.waiting.appendleft(ticket)
        tenant.served = self._count = self._count + 1
        return self._admit()

    def _admit(self) -> list[Ticket]:
        admitted: list[Ticket] = []
        while (ticket := self._next()) is not None:
            tenant = self._tenants[ticket.tenant]
            tenant.waiting.remove(ticket)
            self.waiting -= not ticket.is_kept
            self._count += 1
            tenant.served = self._count
            tenant.running += ticket.slots
            self.running += ticket.slots
            ticket.standing = Standing.RUNNING
            admitted.append(ticket)
        return admitted

    def _next(self) -> Ticket | None:
        """The ticket to run now: the fairest that fits, as long as no larger one has been overtaken too often."""
        free = self._slots - self.running
        heads = [tenant.waiting[0] for tenant in self._tenants.values() if tenant.waiting]
        larger: list[Ticket] = []
        for ticket in sorted(heads, key=self._turn) if free > 0 else ():
            if ticket.slots <= free:
                for other in larger:
                    other.overtaken += 1
                return ticket
            if ticket.overtaken >= _OVERTAKEN * self._slots:
                return None
            larger.append(ticket)
        return None

    def _turn(self, ticket: Ticket) -> tuple[int, int, int]:
        tenant = self._tenants[ticket.tenant]
        return tenant.running, tenant.served, ticket.number

    def _displace(self, newcomer: Ticket) -> Ticket:
        loads = {name: tenant.load for name, tenant in self._tenants.items() if self._newest(tenant) is not None}
        most = max(loads.values())
        # An equal share is no reason to send one away who waits already.
        name = newcomer.tenant if loads[newcomer.tenant] == most else max(loads, key=lambda name: loads[name])
        victim = self._newest(self._tenants[name]) or newcomer
        self._remove(victim)
        victim.standing = Standing.REFUSED
        self._forget(name)
        return victim

    @staticmethod
    def _newest(tenant: _Tenant) -> Ticket | None:
        return next((ticket for ticket in reversed(tenant.waiting) if not ticket.is_kept), None)

    def _remove(self, ticket: Ticket) -> None:
        self._tenants[ticket.tenant].waiting.remove(ticket)
        self.waiting -= not ticket.is_kept

    def _free(self, ticket: Ticket) -> None:
        self._tenants[ticket.tenant].running -= ticket.slots
        self.running -= ticket.slots

    def _forget(self, name: str) -> None:
        tenant = self._tenants.get(name)
        if tenant is not None and not tenant.load:
            del self._tenants[name]
