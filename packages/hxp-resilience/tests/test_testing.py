"""The testing kit itself."""

from __future__ import annotations

import pytest
from hxp_resilience import Pipeline, Retry
from hxp_resilience.testing import FaultError, FaultLatency, FaultOutcome, ManualClock, SleepRecorder, no_waiting

pytestmark = pytest.mark.anyio


async def answer() -> str:
    return "well"


async def test_nobody_waits_inside_the_block(clock: ManualClock) -> None:
    answers = [ConnectionError(), ConnectionError()]

    async def ask() -> str:
        if answers:
            raise answers.pop()
        return "well"

    with no_waiting(clock) as waits:
        assert await Retry(3, random=lambda: 1.0).call(ask) == "well"
    assert waits == [0.5, 1.0]
    assert clock() == 1001.5
    sleep = SleepRecorder()
    answers.append(ConnectionError())
    await Retry(2, sleep=sleep).call(ask)
    assert len(sleep.seconds) == 1  # outside it waits as it is told


async def test_faults_are_part_of_the_same_pipeline() -> None:
    sleep = SleepRecorder()
    pipeline = Pipeline(FaultLatency(2.0, sleep=sleep), FaultOutcome("garbage", 0.5, seed=1), FaultError(OSError, 0.0))
    answers = [await pipeline.call(answer) for _ in range(100)]
    assert sleep.seconds == [2.0] * 100
    assert 30 < answers.count("garbage") < 70
    again = Pipeline(FaultOutcome("garbage", 0.5, seed=1))
    assert [await again.call(answer) for _ in range(100)] == answers  # the same seed, the same chance
    with no_waiting() as waits:
        FaultLatency(3.0).call_sync(len, "a")
    assert waits == [3.0]


def test_a_fault_is_turned_on_and_off() -> None:
    fault = FaultError(ConnectionError, 0.0)
    assert fault.call_sync(len, "a") == 1
    fault.reload(1.0)
    with pytest.raises(ConnectionError):
        fault.call_sync(len, "a")
    assert fault.struck == 1
    assert "100%" in fault.explain()
    with pytest.raises(ValueError, match="rate"):
        FaultError(ConnectionError, 2.0)
