"""The state machine of a service's life."""

from __future__ import annotations

import pytest
from hxp_services_base import IllegalTransitionError, State, StateMachine
from hxp_services_base._state import TRANSITIONS
from hypothesis import given
from hypothesis import strategies as st


def test_a_life_without_trouble_passes_every_state() -> None:
    machine = StateMachine(now=0.0)
    for now, state in enumerate((State.CONFIGURED, State.STARTING, State.READY, State.DRAINING, State.STOPPED)):
        machine.to(state, now=float(now))
    assert machine.state is State.STOPPED
    assert [step.after for step in machine.history][-1] is State.STOPPED


def test_each_step_tells_how_long_the_state_before_lasted() -> None:
    machine = StateMachine(now=10.0)
    assert machine.to(State.CONFIGURED, now=12.5, reason="read").elapsed == 2.5
    assert (machine.since, machine.reason) == (12.5, "read")


def test_an_illegal_step_names_the_legal_ones() -> None:
    machine = StateMachine(now=0.0)
    with pytest.raises(
        IllegalTransitionError, match="from 'new' to 'ready'; from here it can go to configured, failed"
    ):
        machine.to(State.READY, now=1.0)


def test_nothing_follows_a_final_state() -> None:
    machine = StateMachine(now=0.0)
    machine.to(State.FAILED, now=1.0)
    with pytest.raises(IllegalTransitionError, match="nothing: it is final"):
        machine.to(State.STARTING, now=2.0)


@given(st.lists(st.sampled_from(State), max_size=30))
def test_whatever_is_asked_the_machine_only_ever_takes_legal_steps(wanted: list[State]) -> None:
    machine = StateMachine(now=0.0)
    for state in wanted:
        before = machine.state
        try:
            machine.to(state, now=1.0)
        except IllegalTransitionError:
            assert machine.state is before
        else:
            assert state in TRANSITIONS[before]
    assert machine.state.is_final == (not TRANSITIONS[machine.state])


def test_years_of_flapping_keep_the_beginning_and_the_latest_steps() -> None:
    machine = StateMachine(now=0.0)
    for state in (State.CONFIGURED, State.STARTING, State.READY):
        machine.to(state, now=0.0)
    for _ in range(500):
        machine.to(State.DEGRADED, now=1.0)
        machine.to(State.READY, now=1.0)
    assert len(machine.history) <= 201
    assert machine.history[0].after is State.CONFIGURED
