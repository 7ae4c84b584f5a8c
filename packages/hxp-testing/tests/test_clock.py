import asyncio

import pytest
from hxp_testing.clock import ManualClock

pytestmark = pytest.mark.anyio


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_sleepers_wake_in_the_order_of_their_time() -> None:
    clock, woken = ManualClock(100.0), list[str]()

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [asyncio.ensure_future(sleep(name, seconds)) for name, seconds in [("c", 3), ("a", 1), ("b", 2), ("d", 9)]]
    await turns()
    assert clock.sleepers == 4
    clock.advance(0.5)
    await turns()
    assert woken == []
    clock.advance(2.5)
    await turns()
    assert woken == ["a", "b", "c"]
    assert (clock(), clock.sleepers) == (103.0, 1)
    tasks[-1].cancel()
    await turns()
    assert clock.sleepers == 0
    clock.advance(100)
    assert clock.slept == [3, 1, 2, 9]


async def test_a_clock_can_move_by_itself() -> None:
    clock = ManualClock(auto_advance=True)
    await clock.sleep(2.5)
    await clock.sleep(-1)
    assert clock() == 2.5


async def test_a_sleep_of_nothing_ends_at_once() -> None:
    await ManualClock().sleep(0)


def test_it_never_goes_back() -> None:
    with pytest.raises(ValueError, match="cannot go back by 1 seconds"):
        ManualClock().advance(-1)
