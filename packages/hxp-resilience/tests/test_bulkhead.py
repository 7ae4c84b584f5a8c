"""Only so many at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from threading import Lock, Thread

import pytest
from hxp_resilience import (
    Bulkhead,
    BulkheadFullError,
    BulkheadOptions,
    BulkheadStatistics,
    Deadline,
    DeadlineExceededError,
)
from hxp_resilience._waiter import TaskWaiter, ThreadWaiter
from hxp_resilience.testing import ManualClock, RecordingHook
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

pytestmark = pytest.mark.anyio


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_only_so_many_are_inside_at_once() -> None:
    """X2."""
    bulkhead, inside, most = Bulkhead(3, 100), 0, 0

    async def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    await asyncio.gather(*(bulkhead.call(work) for _ in range(50)))
    assert most == 3
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 0)


async def test_the_first_to_come_is_the_first_served() -> None:
    bulkhead, order = Bulkhead(1, 10), list[int]()

    async def work(number: int) -> None:
        async with bulkhead:
            order.append(number)

    async with bulkhead:
        tasks = [asyncio.create_task(work(number)) for number in range(5)]
        await settle()
        assert bulkhead.statistics() == BulkheadStatistics(1, 5, 0)
        assert not bulkhead.try_acquire()
    assert not bulkhead.try_acquire()  # the place went to the head of the queue
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


async def test_a_full_queue_refuses_at_once() -> None:
    bulkhead = Bulkhead(1)
    async with bulkhead:
        with pytest.raises(BulkheadFullError, match="the queue is full") as caught:
            await bulkhead.acquire()
    assert (caught.value.retry_after, caught.value.retryable) == (1.0, True)
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 1)


async def test_a_place_can_be_taken_without_waiting() -> None:
    bulkhead = Bulkhead(1)
    assert bulkhead.try_acquire()
    assert not bulkhead.try_acquire()
    bulkhead.release()
    assert bulkhead.try_acquire()


async def test_nobody_waits_longer_than_the_queue_timeout(clock: ManualClock) -> None:
    bulkhead = Bulkhead(1, 1, queue_timeout=0.01, clock=clock)
    async with bulkhead:
        with pytest.raises(BulkheadFullError, match="no place became free in time") as caught:
            await bulkhead.acquire()
    assert caught.value.retry_after == 0.01
    assert caught.value.timeline == ("waited 0.000 s in the queue", "no place became free in time")
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 1)
    async with bulkhead:
        pass


@pytest.mark.parametrize("queue_timeout", [None, 60.0])
async def test_nobody_waits_longer_than_its_deadline(queue_timeout: float | None) -> None:
    """O4."""
    bulkhead = Bulkhead(1, 1, queue_timeout=queue_timeout)
    async with bulkhead:
        with Deadline(0.01, clock=ManualClock()), pytest.raises(DeadlineExceededError, match="in the queue"):
            await bulkhead.acquire()
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 1)


async def test_one_whose_deadline_has_passed_does_not_queue(clock: ManualClock) -> None:
    """O4."""
    bulkhead = Bulkhead(1, 1)
    async with bulkhead:
        with Deadline(0.0, clock=clock), pytest.raises(DeadlineExceededError):
            await bulkhead.acquire()
        assert bulkhead.statistics().waiting == 0


async def test_the_queue_timeout_comes_first_when_it_is_shorter() -> None:
    bulkhead = Bulkhead(1, 1, queue_timeout=0.01)
    async with bulkhead:
        with Deadline(60.0), pytest.raises(BulkheadFullError):
            await bulkhead.acquire()


async def test_one_who_leaves_the_queue_is_forgotten() -> None:
    bulkhead = Bulkhead(1, 2, queue_timeout=60.0)
    async with bulkhead:
        tasks = [asyncio.create_task(bulkhead.acquire()) for _ in range(2)]
        await settle()
        tasks[0].cancel()
        await settle()
        assert bulkhead.statistics().waiting == 1
    await tasks[1]
    assert bulkhead.statistics() == BulkheadStatistics(1, 0, 0)


async def test_a_place_given_to_one_who_is_leaving_goes_on() -> None:
    bulkhead = Bulkhead(1, 2)
    await bulkhead.acquire()
    leaving, next_one = (asyncio.create_task(bulkhead.acquire()) for _ in range(2))
    await settle()
    bulkhead.release()  # to `leaving`, which has not run yet
    leaving.cancel()
    await next_one
    assert leaving.cancelled()
    assert bulkhead.statistics() == BulkheadStatistics(1, 0, 0)


async def test_one_who_is_leaving_is_passed_over() -> None:
    bulkhead = Bulkhead(1, 2)
    await bulkhead.acquire()
    leaving, next_one = (asyncio.create_task(bulkhead.acquire()) for _ in range(2))
    await settle()
    leaving.cancel()
    bulkhead.release()  # `leaving` is cancelled and has not run yet
    await next_one
    assert bulkhead.statistics() == BulkheadStatistics(1, 0, 0)
    bulkhead.release()
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 0)


async def test_one_who_leaves_at_the_moment_of_the_timeout_leaves() -> None:
    bulkhead = Bulkhead(1, 1, queue_timeout=60.0)
    await bulkhead.acquire()
    task = asyncio.create_task(bulkhead.acquire())
    await settle()
    (waiter,) = bulkhead._waiters
    assert isinstance(waiter, TaskWaiter)
    task.cancel()
    bulkhead._expire(waiter)  # cancelled first
    await asyncio.wait([task])
    assert task.cancelled()
    again = asyncio.create_task(bulkhead.acquire())
    await settle()
    (waiter,) = bulkhead._waiters
    assert isinstance(waiter, TaskWaiter)
    bulkhead._expire(waiter)
    again.cancel()  # timed out first
    await asyncio.wait([again])
    assert again.cancelled()
    assert bulkhead.statistics().running == 1


@pytest.mark.parametrize("seed", range(20))
async def test_the_limit_holds_and_nothing_leaks_whoever_is_cancelled(seed: int) -> None:
    """X2: many tasks, cancelled at random moments."""
    random, bulkhead, inside = Random(seed), Bulkhead(3, 8), Counter[str]()

    async def work(steps: int) -> None:
        async with bulkhead:
            inside["now"] += 1
            assert inside["now"] <= 3
            try:
                for _ in range(steps):
                    await asyncio.sleep(0)
            finally:
                inside["now"] -= 1

    tasks: list[asyncio.Task[None]] = []
    for _ in range(200):
        tasks.append(asyncio.create_task(work(random.randrange(4))))
        if random.random() < 0.5:
            await asyncio.sleep(0)
        if random.random() < 0.4:
            random.choice(tasks[-5:]).cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), BulkheadFullError, asyncio.CancelledError}
    assert (bulkhead.statistics().running, bulkhead.statistics().waiting) == (0, 0)


@pytest.mark.parametrize(("concurrent", "queued"), [(0, 1), (1, -1)])
def test_limits_that_make_no_sense_are_refused(concurrent: int, queued: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        Bulkhead(concurrent, queued)


def test_threads_stand_in_the_same_queue() -> None:
    """X2."""
    bulkhead, done, inside = Bulkhead(3, 200), list[int](), Counter[str]()
    lock = Lock()

    def work(number: int) -> None:
        with lock:
            inside["now"] += 1
            inside["most"] = max(inside["most"], inside["now"])
        done.append(number)
        with lock:
            inside["now"] -= 1

    threads = [Thread(target=bulkhead.call_sync, args=(work, number)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(200))
    assert inside["most"] <= 3
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_the_limit_holds_for_threads_and_tasks_together(seed: int) -> None:  # noqa: C901 (small parts in one place)
    """X2: threads, loops in threads, and cancellation at random moments."""
    bulkhead, inside, lock, failures = Bulkhead(4, 500), Counter[str](), Lock(), list[str]()

    def enter() -> None:
        with lock:
            inside["now"] += 1
            if inside["now"] > 4:
                failures.append("too many")

    def leave() -> None:
        with lock:
            inside["now"] -= 1

    def both() -> None:
        enter()
        leave()

    def plain() -> None:
        for _ in range(50):
            bulkhead.call_sync(both)

    async def work() -> None:
        enter()
        try:
            await asyncio.sleep(0)
        finally:
            leave()

    async def tasks() -> None:
        random = Random(seed)
        made = []
        for _ in range(100):
            made.append(asyncio.create_task(bulkhead.call(work)))
            if random.random() < 0.3:
                await asyncio.sleep(0)
            if random.random() < 0.3:
                random.choice(made).cancel()
        await asyncio.gather(*made, return_exceptions=True)

    threads = [Thread(target=plain) for _ in range(4)]
    threads += [Thread(target=lambda: asyncio.run(tasks())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert failures == []
    assert (bulkhead.statistics().running, bulkhead.statistics().waiting) == (0, 0)


async def test_a_thread_waits_only_so_long_and_only_before_its_deadline(clock: ManualClock) -> None:
    bulkhead = Bulkhead(1, 1, queue_timeout=0.01)
    with bulkhead:
        with pytest.raises(BulkheadFullError, match="in time"):
            bulkhead.acquire_sync()
        with Deadline(0.001, clock=ManualClock()), pytest.raises(DeadlineExceededError):
            bulkhead.acquire_sync()
        with Deadline(0.0, clock=clock), pytest.raises(DeadlineExceededError):
            bulkhead.call_sync(len, "a")
    with Bulkhead(1) as full, pytest.raises(BulkheadFullError, match="queue is full"):
        full.acquire_sync()
    assert bulkhead.statistics().running == 0


def test_a_thread_that_is_interrupted_leaves_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    bulkhead = Bulkhead(1, 5)
    bulkhead.acquire_sync()

    def interrupted(self: ThreadWaiter, seconds: float | None) -> bool:
        self.give()  # at the very moment of the interrupt
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadWaiter, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bulkhead.acquire_sync()
    assert (bulkhead.statistics().running, bulkhead.statistics().waiting) == (0, 0)


def test_a_waiting_thread_answers_once() -> None:
    waiter = ThreadWaiter()
    assert waiter.give()
    assert not waiter.give()
    assert waiter.wait(None)
    assert waiter.has_place()
    waiter = ThreadWaiter()
    assert not waiter.wait(0.0)
    assert not waiter.give()
    waiter = ThreadWaiter()
    waiter.refuse()
    assert not waiter.wait(None)


def test_a_waiter_of_a_closed_loop_is_passed_over() -> None:
    loop = asyncio.new_event_loop()
    waiter = TaskWaiter(loop, lambda: None)
    loop.close()
    answers = []
    thread = Thread(target=lambda: answers.append(waiter.give()))
    thread.start()
    thread.join()
    assert answers == [False]


async def test_a_place_given_by_a_thread_to_one_who_left_comes_back() -> None:
    given_back = []
    waiter = TaskWaiter(asyncio.get_running_loop(), lambda: given_back.append(1))
    waiter.future.cancel()
    for action in (waiter.give, waiter.refuse):
        thread = Thread(target=action)
        thread.start()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
    await settle()
    assert given_back == [1]
    assert not waiter.has_place()


async def test_more_places_go_to_the_queue_at_once_and_fewer_are_not_handed_on() -> None:
    bulkhead, gate = Bulkhead(1, 10), asyncio.Event()
    tasks = [asyncio.create_task(bulkhead.call(gate.wait)) for _ in range(5)]
    await settle()
    bulkhead.reload(BulkheadOptions(3, 10))
    await settle()
    assert bulkhead.statistics() == BulkheadStatistics(3, 2, 0)
    bulkhead.reload(BulkheadOptions(1, 10))
    assert not bulkhead.try_acquire()
    gate.set()
    await asyncio.gather(*tasks)
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 0)
    assert bulkhead.explain() == "run 1 calls at once, let 10 more wait, and refuse the rest"
    assert "let none wait" in Bulkhead(1).explain()


async def test_in_shadow_mode_everybody_goes_in() -> None:
    hook, gate = RecordingHook(), asyncio.Event()
    bulkhead = Bulkhead(BulkheadOptions(1, shadow=True))
    bulkhead.watch(hook)
    tasks = [asyncio.create_task(bulkhead.call(gate.wait)) for _ in range(3)]
    await settle()
    assert bulkhead.statistics() == BulkheadStatistics(3, 0, 2)
    assert [event.shadow for event in hook.events] == [True, True]
    bulkhead.call_sync(len, "a")
    gate.set()
    await asyncio.gather(*tasks)
    assert bulkhead.statistics().running == 0
    with pytest.raises(ValueError, match="queue_timeout"):
        BulkheadOptions(1, queue_timeout=-1)


class BulkheadMachine(RuleBasedStateMachine):
    """The bulkhead against a counter and a list, with interleavings that the test chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bulkhead = Bulkhead(2, 3)
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.running, self.queue, self.count = 0, list[int](), 0

    def teardown(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        self.turn()
        self.loop.close()

    def turn(self) -> None:
        self.loop.run_until_complete(settle())

    @rule()
    def ask(self) -> None:
        self.tasks[self.count] = self.loop.create_task(self.bulkhead.acquire())
        if self.running < 2:
            self.running += 1
        elif len(self.queue) < 3:
            self.queue.append(self.count)
        self.count += 1
        self.turn()

    @precondition(lambda self: self.running)
    @rule(leaving=st.booleans())
    def give_back(self, *, leaving: bool) -> None:
        """With one who leaves in the same moment, before the loop goes round."""
        if leaving and self.queue:
            self.tasks[self.queue.pop(0)].cancel()
        self.bulkhead.release()
        if self.queue:
            self.queue.pop(0)
        else:
            self.running -= 1
        self.turn()

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.queue))
        self.queue.remove(number)
        self.tasks[number].cancel()
        self.turn()

    @rule()
    def take_at_once(self) -> None:
        assert self.bulkhead.try_acquire() == (self.running < 2)
        self.running = min(2, self.running + 1)

    @invariant()
    def they_agree(self) -> None:
        statistics = self.bulkhead.statistics()
        assert (statistics.running, statistics.waiting) == (self.running, len(self.queue))
        for task in self.tasks.values():
            if task.done() and not task.cancelled():
                task.exception()


TestBulkheadMachine = BulkheadMachine.TestCase
TestBulkheadMachine.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
