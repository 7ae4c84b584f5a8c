"""Mend what is broken, then go on; and render less while that takes."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import Any

import pytest
from hxp_resilience import (
    Degradation,
    DegradationOptions,
    Recovery,
    RecoveryOptions,
    Step,
)
from hxp_resilience.testing import ManualClock, RecordingHook, SleepRecorder, no_waiting
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio


class Connection:
    """Broken until it was mended in the right way."""

    def __init__(self, mended_by: str, after: int = 1) -> None:
        self.mended_by, self.after = mended_by, after
        self.up = False
        self.log: list[str] = []

    def step(self, name: str) -> Step:
        def run() -> None:
            self.log.append(name)
            if name == self.mended_by:
                self.after -= 1
                self.up = self.after <= 0

        return Step(name, run)

    async def ask(self) -> str:
        await asyncio.sleep(0)
        return self.ask_sync()

    def ask_sync(self) -> str:
        self.log.append("ask")
        if not self.up:
            raise ConnectionError
        return "pong"


def recovery_of(connection: Connection, **more: Any) -> Recovery:
    steps = [connection.step("reconnect"), connection.step("restart")]
    return Recovery(steps, check=lambda: connection.up, random=lambda: 1.0, **more)


async def test_steps_are_tried_in_order_until_the_check_passes() -> None:
    connection, hook = Connection("restart"), RecordingHook()
    recovery = recovery_of(connection)
    recovery.watch(hook)
    assert await recovery.call(connection.ask) == "pong"
    assert connection.log == ["ask", "reconnect", "restart", "ask"]
    assert recovery.statistics().by_step == {"reconnect": 0, "restart": 1}
    assert hook.kinds() == ["recovery.succeeded"]
    assert "reconnect, restart" in recovery.explain()


async def test_between_rounds_it_backs_off() -> None:
    sleep = SleepRecorder()
    connection = Connection("restart", after=3)
    assert await recovery_of(connection, sleep=sleep).call(connection.ask) == "pong"
    assert sleep.seconds == [0.5, 1.0]
    connection = Connection("restart", after=3)
    with no_waiting() as waits:
        assert recovery_of(connection).call_sync(connection.ask_sync) == "pong"
    assert waits == [0.5, 1.0]


async def test_when_nothing_helps_the_error_stands_and_says_what_was_tried() -> None:
    connection, sleep = Connection("prayer"), SleepRecorder()

    def broken() -> None:
        raise TimeoutError

    recovery = Recovery(
        [Step("call home", broken), connection.step("restart")],
        check=lambda: connection.up,
        options=RecoveryOptions(rounds=1),
        sleep=sleep,
    )
    with pytest.raises(ConnectionError) as first:
        await recovery.call(connection.ask)
    with pytest.raises(ConnectionError) as second:
        recovery.call_sync(connection.ask_sync)
    for caught in (first, second):
        assert caught.value.__notes__ == ["recovery was tried in vain: call home (TimeoutError), restart"]
    assert recovery.statistics().failed == 2


async def test_steps_and_checks_may_be_coroutines_and_checks_may_fail() -> None:
    state = {"up": False, "checked": 0}

    async def mend() -> None:
        await asyncio.sleep(0)
        state["up"] = True

    async def check() -> bool:
        state["checked"] += 1
        if state["checked"] == 1:
            raise ConnectionError
        return bool(state["up"])

    async def ask() -> str:
        if not state["up"]:
            raise ConnectionError
        return "pong"

    assert await Recovery([Step("mend", mend)], check, sleep=SleepRecorder()).call(ask) == "pong"

    def failing_check() -> bool:
        raise ConnectionError

    def always_down() -> None:
        raise ConnectionError

    with no_waiting(), pytest.raises(ConnectionError):
        Recovery([Step("nothing", lambda: None)], failing_check).call_sync(always_down)


async def test_of_many_that_fail_at_once_one_recovers() -> None:
    connection = Connection("reconnect")
    recovery = recovery_of(connection)
    assert await asyncio.gather(*(recovery.call(connection.ask) for _ in range(50))) == ["pong"] * 50
    assert connection.log.count("reconnect") == 1
    assert recovery.statistics().recovered == 1


def test_of_many_threads_one_recovers() -> None:
    connection = Connection("reconnect")
    recovery, answers = recovery_of(connection), list[str]()
    threads = [Thread(target=lambda: answers.append(recovery.call_sync(connection.ask_sync))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["pong"] * 20
    assert connection.log.count("reconnect") == 1


async def test_other_errors_pass_and_a_call_resumes_only_so_often() -> None:
    connection = Connection("reconnect")

    async def wrong() -> None:
        raise ValueError("wrong")

    async def flaky() -> None:
        connection.log.append("flaky")
        raise ConnectionError

    recovery = recovery_of(connection)
    with pytest.raises(ValueError, match="wrong"):
        await recovery.call(wrong)
    with pytest.raises(ConnectionError):
        await recovery.call(flaky)
    assert connection.log.count("flaky") == 2


async def test_in_shadow_mode_nothing_is_done() -> None:
    connection = Connection("reconnect")
    recovery = recovery_of(connection, options=RecoveryOptions(shadow=True))
    with pytest.raises(ConnectionError):
        await recovery.call(connection.ask)
    assert connection.log == ["ask"]
    assert recovery.statistics().recovered == 1


def test_a_recovery_says_what_it_is_given() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        Recovery([], check=lambda: True)
    for wrong in ({"rounds": 0}, {"resumes": 0}, {"first_wait": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RecoveryOptions(**wrong)


LEVELS = DegradationOptions((("no tools", 0.5, 0.3), ("cached only", 0.9, 0.6)), hold=10.0)


def test_levels_are_entered_at_once_and_left_slowly(clock: ManualClock) -> None:
    hook = RecordingHook()
    degradation = Degradation(LEVELS, clock=clock)
    degradation.watch(hook)
    assert degradation.level == "full"
    degradation.feel(0.95)
    assert degradation.level == "cached only"
    assert degradation.at_least("no tools")
    degradation.feel(0.55)
    clock.advance(9.0)
    degradation.feel(0.55)
    assert degradation.level == "cached only"
    clock.advance(1.0)
    degradation.feel(0.55)
    assert degradation.level == "no tools"
    clock.advance(100.0)
    degradation.feel(0.4)  # between the two: it neither rises nor falls
    assert degradation.level == "no tools"
    degradation.feel(0.1)
    clock.advance(10.0)
    degradation.feel(0.1)
    assert degradation.level == "full"
    assert hook.kinds() == ["degradation.entered", "degradation.left", "degradation.left"]
    statistics = degradation.statistics()
    assert (statistics.level, statistics.since, statistics.pressure, statistics.changes) == ("full", 0.0, 0.1, 3)


@given(pressures=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 5)), max_size=60))
def test_it_never_swings(pressures: list[tuple[float, float]]) -> None:
    """Against a model: no level is left before the pressure was low for the whole hold."""
    clock = ManualClock()
    degradation = Degradation(LEVELS, clock=clock)
    depths, low_since = {"full": 0, "no tools": 1, "cached only": 2}, None
    for pressure, seconds in pressures:
        clock.advance(seconds)
        before = depths[degradation.level]
        degradation.feel(pressure)
        after = depths[degradation.level]
        low = before > 0 and pressure <= LEVELS.levels[before - 1][2]
        low_since = (clock() if low_since is None else low_since) if low else None
        assert after >= sum(pressure >= enter for _, enter, _ in LEVELS.levels)
        if after < before:
            assert after == before - 1
            assert low_since is not None
            assert clock() - low_since >= LEVELS.hold
            low_since = clock()
        elif after > before:
            low_since = None


def test_other_levels_keep_the_place(clock: ManualClock) -> None:
    degradation = Degradation(LEVELS, clock=clock)
    degradation.feel(1.0)
    degradation.reload(DegradationOptions((("slow", 0.8, 0.2),)))
    assert degradation.level == "slow"
    assert "'slow' from 0.8 until 0.2" in degradation.explain()


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((), "names"),
        ((("full", 0.5, 0.1),), "names"),
        ((("a", 0.5, 0.5),), "left at a lower"),
        ((("a", 0.5, 0.1), ("b", 0.4, 0.1)), "entered at a higher"),
    ],
)
def test_levels_that_make_no_sense_are_refused(levels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DegradationOptions(levels)
    with pytest.raises(ValueError, match="hold"):
        DegradationOptions((("a", 0.5, 0.1),), hold=-1)
