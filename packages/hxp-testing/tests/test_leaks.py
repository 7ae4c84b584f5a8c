import asyncio
import subprocess
import sys

import pytest
from hxp_testing.leaks import LeakError, no_leaks

pytestmark = pytest.mark.anyio


async def test_a_task_left_behind_is_named() -> None:
    forever = asyncio.Event()
    leaks = no_leaks()
    with pytest.raises(LeakError, match="task forgotten"):
        async with leaks:
            task = asyncio.create_task(forever.wait(), name="forgotten")
    task.cancel()


async def test_a_task_that_is_about_to_end_is_given_its_turns() -> None:
    async with no_leaks():
        task = asyncio.create_task(asyncio.sleep(0))
    assert task.done()


async def test_what_ran_before_is_not_blamed() -> None:
    forever = asyncio.Event()
    task = asyncio.create_task(forever.wait())
    async with no_leaks():
        pass
    task.cancel()


def test_a_child_process_left_behind_is_named() -> None:
    leaks = no_leaks().__enter__()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with pytest.raises(LeakError, match=f"process {child.pid}"):
            leaks.__exit__(None)
        child.communicate(b"\n")
    leaks.__exit__(None)


def test_the_tracker_that_lives_as_long_as_the_program_is_not_blamed() -> None:
    with no_leaks():
        child = subprocess.Popen([sys.executable, "-c", "input()  # resource_tracker"], stdin=subprocess.PIPE)
    child.communicate(b"\n")


def test_an_error_of_the_block_comes_first() -> None:
    with pytest.raises(ZeroDivisionError), no_leaks():
        1 / 0  # noqa: B018
