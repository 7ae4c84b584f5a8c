"""No tenant meets another's prompt cache, whatever the engine does with its slots."""

from __future__ import annotations

from dataclasses import dataclass, field

from hxp_services_base.engines._slots import QUARANTINE, SlotLease, SlotTable
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule


def test_a_conversation_stays_in_its_slot() -> None:
    table = SlotTable(3)
    first = table.take("a", b"one conversation")
    second = table.take("a", b"quite another")
    assert (first, second) == (SlotLease(0, reuses=False), SlotLease(1, reuses=False))
    table.give_back(first)
    table.give_back(second)
    assert table.take("a", b"quite another, continued") == SlotLease(1, reuses=True)
    assert table.take("a", b"one conversation, continued") == SlotLease(0, reuses=True)
    assert table.leased() == {0, 1}


def test_a_slot_of_another_tenant_is_taken_last_and_without_its_cache() -> None:
    table = SlotTable(2)
    for tenant in ("a", "b"):
        table.give_back(table.take(tenant, tenant.encode() * 10))
    assert table.take("c", b"aaaaaaaaaa") == SlotLease(0, reuses=False)
    assert table.take("a", b"aaaaaaaaaa") == SlotLease(1, reuses=False)
    assert table.take("a", b"aaaaaaaaaa") == SlotLease(None, reuses=False)
    table.give_back(SlotLease(None, reuses=False))


def test_only_slots_that_are_idle_are_given_where_that_is_known() -> None:
    table = SlotTable(2)
    assert table.take("a", b"x", idle={1}).slot == 1
    assert table.take("a", b"x", idle={1}).slot is None


def test_an_aborted_request_that_may_still_come_spoils_its_slot_for_a_while() -> None:
    now = 0.0
    table = SlotTable(1, clock=lambda: now)
    table.give_back(table.take("a", b"x"), was_confirmed=False)
    assert not table.take("a", b"x").reuses
    table.give_back(SlotLease(0, reuses=False))
    now = QUARANTINE
    assert not table.take("a", b"x").reuses, "what came in the meantime is not known"
    table.give_back(SlotLease(0, reuses=False))
    assert table.take("a", b"x").reuses


def test_roaming_work_spoils_the_slots_that_it_touched_and_no_others() -> None:
    table = SlotTable(3)
    for tenant in "abc":
        table.give_back(table.take(tenant, tenant.encode()))
    kept = table.take("c", b"c")
    table.roaming += 1
    assert not table.take("a", b"a").reuses, "it is not known where the other work is"
    table.give_back(SlotLease(0, reuses=False))
    table.roaming -= 1
    table.roamed({0: 1, 1: 2, 2: 3}, {0: 1, 1: 9})
    table.give_back(kept)
    assert [table.take(tenant, tenant.encode()).reuses for tenant in "abc"] == [True, False, True]
    table.forget()
    table.give_back(kept)
    assert not table.take("c", b"c").reuses


@dataclass
class Slot:
    """A slot of the simulated engine."""

    tenant: str | None = None
    task: int | None = None


@dataclass
class Roaming:
    """Work that names no slot."""

    tenant: str
    before: dict[int, object] = field(default_factory=dict)


class Engine(RuleBasedStateMachine):
    """Runs placed and roaming work; late requests arrive up to the quarantine's end, at any moment."""

    COUNT = 3

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.table = SlotTable(self.COUNT, clock=lambda: self.now)
        self.slots = [Slot() for _ in range(self.COUNT)]
        self.count = 0
        self.placed: list[tuple[str, SlotLease]] = []
        self.roaming: list[Roaming] = []
        self.late: list[tuple[str, int, float]] = []

    def run(self, number: int, tenant: str) -> None:
        self.count += 1
        self.slots[number] = Slot(tenant, self.count)

    def tasks(self) -> dict[int, object]:
        return {number: slot.task for number, slot in enumerate(self.slots)}

    @rule(tenant=st.sampled_from("ab"), prompt=st.sampled_from([b"x", b"xy", b"z"]))
    def place(self, tenant: str, prompt: bytes) -> None:
        lease = self.table.take(tenant, prompt)
        if lease.slot is not None:
            assert not lease.reuses or self.slots[lease.slot].tenant == tenant
            self.run(lease.slot, tenant)
            self.placed.append((tenant, lease))

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        if self.placed:
            _, lease = self.placed.pop(data.draw(st.integers(0, len(self.placed) - 1)))
            self.table.give_back(lease)

    @rule(data=st.data())
    def abort_before_it_came(self, data: st.DataObject) -> None:
        if self.placed:
            tenant, lease = self.placed.pop(data.draw(st.integers(0, len(self.placed) - 1)))
            assert lease.slot is not None
            self.late.append((tenant, lease.slot, self.now + QUARANTINE))
            self.table.give_back(lease, was_confirmed=False)

    @rule(data=st.data())
    def it_comes_late(self, data: st.DataObject) -> None:
        self.late = [late for late in self.late if late[2] > self.now]
        if self.late:
            tenant, number, _ = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
            if number not in self.table.leased():
                self.run(number, tenant)

    @rule(tenant=st.sampled_from("ab"))
    def roam(self, tenant: str) -> None:
        self.table.roaming += 1
        self.roaming.append(Roaming(tenant, self.tasks()))

    @rule(data=st.data(), number=st.integers(0, COUNT - 1))
    def use_a_free_slot(self, data: st.DataObject, number: int) -> None:
        if self.roaming and number not in self.table.leased():
            self.run(number, data.draw(st.sampled_from(self.roaming)).tenant)

    @rule(data=st.data())
    def stop_roaming(self, data: st.DataObject) -> None:
        if self.roaming:
            work = self.roaming.pop(data.draw(st.integers(0, len(self.roaming) - 1)))
            self.table.roaming -= 1
            self.table.roamed(work.before, self.tasks())

    @rule(seconds=st.sampled_from([1.0, QUARANTINE]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        if not self.placed and not self.roaming:
            self.slots = [Slot() for _ in range(self.COUNT)]
            self.late.clear()
            self.table.forget()


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
