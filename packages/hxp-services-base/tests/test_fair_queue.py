"""Slots are shared between tenants: no more than are there, nobody forgotten, nobody starved."""

from __future__ import annotations

from collections import Counter

from hxp_services_base._fair_queue import FairQueue, Standing, Ticket
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

SLOTS, QUEUE = 3, 4


def offered(queue: FairQueue, tenant: str, count: int, *, slots: int = 1) -> list[Ticket]:
    tickets = [Ticket(tenant, slots) for _ in range(count)]
    for ticket in tickets:
        queue.offer(ticket)
    return tickets


def standings(tickets: list[Ticket]) -> str:
    return "".join(ticket.standing.value[0] for ticket in tickets)


def test_a_tenant_alone_gets_all_slots_and_the_whole_queue() -> None:
    queue = FairQueue(2, 2)
    tickets = offered(queue, "a", 5)
    assert [ticket.standing for ticket in tickets] == [
        Standing.RUNNING, Standing.RUNNING, Standing.WAITING, Standing.WAITING, Standing.REFUSED
    ]  # fmt: skip
    assert (queue.running, queue.waiting) == (2, 2)


def test_a_free_slot_goes_to_the_tenant_with_the_fewest() -> None:
    queue = FairQueue(2, 10)
    first = offered(queue, "a", 6)
    other = offered(queue, "b", 2)
    assert queue.leave(first[0]) == [other[0]]
    assert queue.leave(first[1]) == [first[2]], "each has its half"
    assert queue.leave(other[0]) == [other[1]]


def test_one_slot_goes_round() -> None:
    queue = FairQueue(1, 50)
    running = offered(queue, "a", 20)[0]
    others = offered(queue, "b", 3) + offered(queue, "c", 3)
    served = []
    for _ in range(9):
        (running,) = queue.leave(running)
        served.append(running.tenant)
    assert served == ["a", "b", "c", "a", "b", "c", "a", "b", "c"]
    assert {ticket.standing for ticket in others} == {Standing.RUNNING, Standing.GONE}


def test_a_newcomer_takes_the_place_of_the_newest_of_the_tenant_with_most() -> None:
    queue = FairQueue(1, 2)
    greedy = offered(queue, "a", 3)
    (newcomer,) = offered(queue, "b", 1)
    assert standings(greedy) == "rwr"
    assert (greedy[2].standing, newcomer.standing) == (Standing.REFUSED, Standing.WAITING)
    (again,) = offered(queue, "b", 1)
    assert again.standing is Standing.REFUSED, "it has as much as the other then"


def test_without_a_queue_nobody_waits() -> None:
    queue = FairQueue(1, 0)
    offered(queue, "a", 1)
    assert offered(queue, "b", 1)[0].standing is Standing.REFUSED


def test_a_large_ticket_is_overtaken_for_a_while_only() -> None:
    queue = FairQueue(2, 100)
    small = offered(queue, "a", 2)
    (large,) = offered(queue, "b", 1, slots=2)
    small += offered(queue, "a", 40)
    running, overtaken = small[:2], 0
    while large.standing is Standing.WAITING:
        admitted = queue.leave(running.pop(0))
        running += admitted
        overtaken += len(admitted)
        assert overtaken < 30
    assert running == [large]


def test_who_has_more_steps_back_between_two_pieces_of_work() -> None:
    queue = FairQueue(2, 2)
    first, second = offered(queue, "a", 2)
    assert queue.step_back(first) == [], "nobody waits"
    (other,) = offered(queue, "b", 1)
    assert queue.step_back(first) == [other]
    assert (first.standing, queue.waiting) == (Standing.WAITING, 0)
    offered(queue, "b", 3)
    assert first.standing is Standing.WAITING, "it ran before, so nobody takes its place"
    assert queue.step_back(second) == [], "each has one"
    assert queue.leave(second) == [first]
    assert queue.running == 2


class Traffic(RuleBasedStateMachine):
    """Anything may be asked for and left in any order."""

    tickets: Bundle[Ticket] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue(SLOTS, QUEUE)
        self.all: list[Ticket] = []

    @rule(target=tickets, tenant=st.sampled_from("abc"), slots=st.integers(1, SLOTS))
    def offer(self, tenant: str, slots: int) -> Ticket:
        ticket = Ticket(tenant, slots)
        self.all.append(ticket)
        before = ticket.standing
        assert before is Standing.WAITING
        assert (ticket in self.queue.offer(ticket)) == (ticket.standing is not Standing.WAITING)
        return ticket

    @rule(ticket=consumes(tickets))
    def leave(self, ticket: Ticket) -> None:
        for admitted in self.queue.leave(ticket):
            assert admitted.standing is Standing.RUNNING

    @rule(ticket=tickets)
    def step_back(self, ticket: Ticket) -> None:
        if ticket.standing is Standing.RUNNING:
            self.queue.step_back(ticket)

    @invariant()
    def nothing_is_lost(self) -> None:
        running = [ticket for ticket in self.all if ticket.standing is Standing.RUNNING]
        waiting = [ticket for ticket in self.all if ticket.standing is Standing.WAITING]
        assert self.queue.running == sum(ticket.slots for ticket in running) <= SLOTS
        assert self.queue.waiting == sum(not ticket.is_kept for ticket in waiting) <= QUEUE
        assert set(self.queue._tenants) == {ticket.tenant for ticket in running + waiting}

    @invariant()
    def no_slot_is_idle_while_one_waits_that_fits(self) -> None:
        waiting = [ticket for ticket in self.all if ticket.standing is Standing.WAITING]
        if waiting and not any(ticket.overtaken for ticket in waiting):
            assert SLOTS - self.queue.running < max(ticket.slots for ticket in waiting)

    def teardown(self) -> None:
        for ticket in self.all:
            self.queue.leave(ticket)
        assert (self.queue.running, self.queue.waiting, self.queue._tenants) == (0, 0, {})


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.integers(1, 4), st.integers(2, 5))
def test_backlogs_are_served_in_equal_parts(slots: int, tenants: int) -> None:
    queue = FairQueue(slots, 1000)
    tickets = [ticket for n in range(tenants) for ticket in offered(queue, f"t{n}", 40 if n else 200)]
    served: Counter[str] = Counter()
    running = [ticket for ticket in tickets if ticket.standing is Standing.RUNNING]
    for _ in range(20 * tenants):
        running += queue.leave(running.pop(0))
        served[running[-1].tenant] += 1
    assert max(served.values()) - min(served.values()) <= slots + 1
