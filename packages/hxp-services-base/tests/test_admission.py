"""Admission: fair, bounded in number and time, and slots come back exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from hxp_services_base._admission import Admission, Permit
from hxp_services_base.chassis import ServiceError
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio


def admission(slots: int = 1, queue: int = 2, queue_timeout: float = 5.0) -> Admission:
    return Admission(slots=slots, queue=queue, queue_timeout=queue_timeout)


class Holder:
    """A task that holds a permit until it is let go."""

    def __init__(self, where: Admission, tenant: str, slots: int = 1) -> None:
        self.inside = asyncio.Event()
        self.go = asyncio.Event()
        self.permit: Permit | None = None
        self.task = asyncio.create_task(self._run(where, tenant, slots))

    async def _run(self, where: Admission, tenant: str, slots: int) -> None:
        async with where.permit(tenant, slots=slots) as self.permit:
            self.inside.set()
            await self.go.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_waits_gets_the_slot_that_is_given_back() -> None:
    where = admission()
    first, second = Holder(where, "a"), Holder(where, "b")
    await settle()
    assert (where.statistics().running, where.statistics().waiting) == (1, 1)
    first.go.set()
    await second.inside.wait()
    second.go.set()
    await asyncio.gather(first.task, second.task)
    assert where.statistics().running == 0


async def test_a_wait_is_bounded_in_time_and_number() -> None:
    where = admission(queue=1, queue_timeout=0.01)
    holder, waiting, refused = Holder(where, "a"), Holder(where, "a"), Holder(where, "a")
    for late in (refused, waiting):
        with pytest.raises(ServiceError) as caught:
            await late.task
        info = caught.value.info
        assert (info.status, info.code, info.retryable, info.retry_after) == (429, "model_overloaded", True, 0.01)
    assert (where.statistics().refused, where.statistics().waiting) == (2, 0)
    holder.go.set()
    await holder.task


async def test_a_newcomer_with_less_displaces_the_newest_of_who_has_most() -> None:
    where = admission(queue=1)
    holder, waiting = Holder(where, "a"), Holder(where, "a")
    await settle()
    newcomer = Holder(where, "b")
    with pytest.raises(ServiceError):
        await waiting.task
    holder.go.set()
    newcomer.go.set()
    await asyncio.gather(holder.task, newcomer.task)


async def test_slots_are_kept_while_the_engine_is_at_work_after_the_request_left() -> None:
    where = admission()
    holder = Holder(where, "a")
    await holder.inside.wait()
    works: list[asyncio.Future[object]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
    assert holder.permit is not None
    for work in works:
        holder.permit.keep_until(work)
    holder.task.cancel()
    await asyncio.gather(holder.task, return_exceptions=True)
    assert where.statistics().running == 1
    works[0].set_result(None)
    works[1].set_exception(OSError("the engine died"))
    await settle()
    assert where.statistics().running == 1
    works[2].cancel()
    await settle()
    assert where.statistics().running == 0


async def test_a_long_piece_of_work_steps_back_for_others() -> None:
    where = admission()
    order: list[str] = []

    async def long() -> None:
        async with where.permit("a") as permit:
            for step in range(3):
                order.append(f"a{step}")
                await asyncio.sleep(0)
                await permit.step_back()

    async def short() -> None:
        async with where.permit("b"):
            order.append("b")

    await asyncio.gather(long(), short(), long())
    assert order.index("b") < 3
    assert sorted(order) == ["a0", "a0", "a1", "a1", "a2", "a2", "b"]
    assert where.statistics().running == 0


async def test_who_is_cancelled_while_stepping_back_loses_no_slot() -> None:
    where = admission()
    holder = Holder(where, "a")
    await holder.inside.wait()
    other = Holder(where, "b")
    await settle()
    assert holder.permit is not None
    stepping = asyncio.create_task(holder.permit.step_back())
    await other.inside.wait()
    stepping.cancel()
    await asyncio.gather(stepping, return_exceptions=True)
    other.go.set()
    holder.go.set()
    await asyncio.gather(holder.task, other.task)
    assert where.statistics() == type(where.statistics())(0, 0, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
async def test_cancelled_anywhere_no_slot_is_lost(seed: int) -> None:
    """X3."""
    rng = random.Random(seed)
    where = admission(slots=3, queue=5, queue_timeout=60)
    most = 0

    async def call(tenant: str, slots: int) -> None:
        nonlocal most
        async with where.permit(tenant, slots=slots) as permit:
            for _ in range(rng.randrange(4)):
                most = max(most, where.statistics().running)
                await asyncio.sleep(0)
                await permit.step_back()

    tasks: list[asyncio.Task[None]] = []
    for _ in range(60):
        tasks.append(asyncio.create_task(call(rng.choice("abc"), rng.randint(1, 3))))
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
        if rng.random() < 0.4:
            rng.choice(tasks).cancel()
    done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    unexpected = [error for error in done if error and not isinstance(error, ServiceError | asyncio.CancelledError)]
    assert unexpected == []
    assert most <= 3
    assert (where.statistics().running, where.statistics().waiting) == (0, 0)
    with contextlib.suppress(ServiceError):
        async with where.permit("z", slots=3):
            assert where.statistics().running == 3
