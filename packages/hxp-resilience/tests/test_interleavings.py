"""Policies against plain models, with interleavings that the test chooses.

Several calls are under way at once, in an event loop whose clock moves when the test says so. Hypothesis begins calls,
answers or fails any attempt of any of them, cancels, and lets time pass; after each step every call must be exactly
where the model says. (The other policies have machines of their own, beside their tests.)
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tenacity
from hxp_resilience import (
    AttemptTimeoutError,
    Bulkhead,
    Deadline,
    DeadlineExceededError,
    Fallback,
    Hedge,
    HedgeOptions,
    Ladder,
    Pipeline,
    RetriesExhaustedError,
    Retry,
    StreamBrokenError,
    StreamGuard,
    Timeout,
    current_deadline,
)
from hxp_resilience.testing import ManualClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncIterator, Coroutine

OUTCOMES: dict[str, Any] = {"ok": "answer", "passing": ConnectionError("passing"), "lasting": ValueError("lasting")}
PICK = st.integers(0, 100)


class ManualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until it is told to move."""

    now = 0.0
    made: list[asyncio.Task[Any]]  # `asyncio.all_tasks` looks at the tasks of all loops that there ever were
    _ready: deque[asyncio.Handle]  # what asyncio's loop has to do at once, and later
    _scheduled: list[asyncio.TimerHandle]

    def time(self) -> float:
        return self.now

    def create_task(  # type: ignore[override]  # as asyncio passes them
        self, coro: Coroutine[Any, Any, Any], **more: Any
    ) -> asyncio.Task[Any]:
        task = super().create_task(coro, **more)
        self.made = [*self.tasks(), task]
        return task

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that are not done."""
        return [task for task in getattr(self, "made", ()) if not task.done()]

    def settle(self) -> None:
        """Run until nothing can happen without more time or another answer."""
        for _ in range(25):
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready and not (self._scheduled and self._scheduled[0].when() <= self.now):
                return
        raise AssertionError("the loop never comes to rest")


@dataclass
class Flight:
    """One call: its task, the attempts that wait for an answer, and where the model says it is."""

    task: asyncio.Task[Any]
    waiting: list[asyncio.Future[Any]]
    began: float
    asked: int = 1  # attempts made, by the model
    failed: int = 0
    until: float | None = None  # when something happens by itself, by the model
    outcome: str | None = None  # how it ended, by the model

    def open(self) -> list[asyncio.Future[Any]]:
        return [one for one in self.waiting if not one.done()]


class Flights(RuleBasedStateMachine):
    """What all machines share; a subclass says what its policy makes of each event."""

    policy: Any

    def __init__(self) -> None:
        super().__init__()
        self.loop = ManualLoop()
        self.flights: list[Flight] = []
        self.policy = self.make()
        self.ended: dict[str, int] = {}

    def make(self) -> Any:
        raise NotImplementedError

    def under_way(self) -> list[Flight]:
        return [one for one in self.flights if one.outcome is None]

    def with_open(self) -> list[Flight]:
        return [one for one in self.under_way() if one.open()]

    def call(self, waiting: list[asyncio.Future[Any]]) -> Any:
        async def target() -> Any:
            future = self.loop.create_future()
            waiting.append(future)
            return await future

        return self.policy.call(target)

    @rule()
    def begin(self) -> None:
        waiting: list[asyncio.Future[Any]] = []
        flight = Flight(self.loop.create_task(self.call(waiting)), waiting, self.loop.now)
        self.flights.append(flight)
        self.loop.settle()
        self.began(flight)

    @precondition(lambda self: self.with_open())
    @rule(pick=PICK, attempt=PICK, kind=st.sampled_from(sorted(OUTCOMES)))
    def answer(self, pick: int, attempt: int, kind: str) -> None:
        flight = self.with_open()[pick % len(self.with_open())]
        future = flight.open()[attempt % len(flight.open())]
        outcome = OUTCOMES[kind]
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        self.answered(flight, kind)
        self.loop.settle()

    @precondition(lambda self: self.under_way())
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        flight = self.under_way()[pick % len(self.under_way())]
        flight.task.cancel()
        flight.outcome = "cancelled"
        self.loop.settle()

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 2.0]))
    def pass_time(self, seconds: float) -> None:
        self.loop.now += seconds
        for flight in self.under_way():
            if flight.until is not None and flight.until <= self.loop.now:
                self.came_due(flight)
        self.loop.settle()

    def began(self, flight: Flight) -> None: ...

    def answered(self, flight: Flight, kind: str) -> None: ...

    def came_due(self, flight: Flight) -> None: ...

    @invariant()
    def every_call_is_where_the_model_says(self) -> None:
        for flight in self.flights:
            assert flight.task.done() == (flight.outcome is not None), flight
            assert len(flight.waiting) == flight.asked, flight
            if flight.task.done():
                assert how(flight.task) == flight.outcome, flight
                assert not flight.open(), "an attempt outlived its call"

    @invariant()
    def nothing_else_is_left(self) -> None:
        assert len(self.loop.tasks()) == sum(self.tasks_of(one) for one in self.under_way())

    def tasks_of(self, flight: Flight) -> int:
        return 1

    def teardown(self) -> None:
        for flight in self.under_way():
            flight.task.cancel()
        self.loop.settle()
        assert not self.loop.tasks()
        for flight in self.flights:  # looked at, so that asyncio does not complain
            how(flight.task)
        self.loop.close()


def how(task: asyncio.Task[Any]) -> str:
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return type(error).__name__ if error is not None else str(task.result())


class RetryMachine(Flights):
    """Three attempts, a second between them; only what may pass is tried again."""

    def make(self) -> Retry:
        return Retry(3, wait=tenacity.wait_fixed(1.0))

    def answered(self, flight: Flight, kind: str) -> None:
        if kind == "passing" and flight.asked < 3:
            flight.until = self.loop.now + 1.0
        else:
            flight.outcome = {"ok": "answer", "passing": RetriesExhaustedError.__name__, "lasting": "ValueError"}[kind]

    def came_due(self, flight: Flight) -> None:
        flight.asked += 1
        flight.until = None

    @invariant()
    def it_counts_what_it_did(self) -> None:
        statistics = self.policy.statistics()
        waits = sum(one.until is not None and one.outcome is None for one in self.flights)
        waits += sum(one.until is not None and one.outcome == "cancelled" for one in self.flights)
        assert statistics.retried == sum(one.asked - 1 for one in self.flights) + waits
        assert statistics.exhausted == sum(one.outcome == "RetriesExhaustedError" for one in self.flights)


class TimeoutMachine(Flights):
    """Two seconds for each call, all behind one timer."""

    def make(self) -> Timeout:
        return Timeout(2.0)

    def began(self, flight: Flight) -> None:
        flight.until = flight.began + 2.0

    def answered(self, flight: Flight, kind: str) -> None:
        flight.outcome = {"ok": "answer", "passing": "ConnectionError", "lasting": "ValueError"}[kind]

    def came_due(self, flight: Flight) -> None:
        flight.outcome = AttemptTimeoutError.__name__

    @invariant()
    def it_counts_what_it_did(self) -> None:
        statistics = self.policy.statistics()
        assert statistics.pending == len(self.under_way())
        assert statistics.expired == sum(one.outcome == "AttemptTimeoutError" for one in self.flights)


class HedgeMachine(Flights):
    """A second call after one second, or at once when the first fails in a way that may pass."""

    def make(self) -> Hedge:
        return Hedge(HedgeOptions(1.0, attempts=2))

    def began(self, flight: Flight) -> None:
        flight.until = flight.began + 1.0

    def answered(self, flight: Flight, kind: str) -> None:
        if kind != "passing":
            flight.outcome = {"ok": "answer", "lasting": "ValueError"}[kind]
            return
        flight.failed += 1
        if flight.asked < 2:
            flight.asked += 1
            flight.until = None
        elif flight.failed == 2:
            flight.outcome = "ConnectionError"

    def came_due(self, flight: Flight) -> None:
        flight.asked += 1
        flight.until = None

    def tasks_of(self, flight: Flight) -> int:
        return 1 + flight.asked - flight.failed

    @invariant()
    def it_counts_what_it_did(self) -> None:
        statistics = self.policy.statistics()
        assert statistics.calls == len(self.flights)
        assert statistics.hedged == sum(one.asked - 1 for one in self.flights)


class FallbackMachine(Flights):
    """Seven, instead of an error that may pass."""

    def make(self) -> Fallback:
        return Fallback(value=7, on=ConnectionError)

    def answered(self, flight: Flight, kind: str) -> None:
        flight.outcome = {"ok": "answer", "passing": "7", "lasting": "ValueError"}[kind]

    @invariant()
    def it_counts_what_it_did(self) -> None:
        assert self.policy.statistics().used == sum(one.outcome == "7" for one in self.flights)


class LadderMachine(Flights):
    """Two rungs below the call: only what may pass leads down from it, every error from a rung."""

    level = "full"

    def make(self) -> Ladder:
        return Ladder({"small": self.target, "cached": self.target}, on=ConnectionError)

    async def target(self, waiting: list[asyncio.Future[Any]]) -> Any:
        future = self.loop.create_future()
        waiting.append(future)
        return await future

    def call(self, waiting: list[asyncio.Future[Any]]) -> Any:
        return self.policy.call(self.target, waiting)

    def answered(self, flight: Flight, kind: str) -> None:
        if kind == "ok":
            flight.outcome = "answer"
            self.level = ("full", "small", "cached")[flight.asked - 1]
        elif flight.asked == 3 or (flight.asked == 1 and kind == "lasting"):
            flight.outcome = {"passing": "ConnectionError", "lasting": "ValueError"}[kind]
        else:
            flight.asked += 1

    @invariant()
    def it_stands_where_the_last_call_was_answered(self) -> None:
        statistics = self.policy.statistics()
        assert self.policy.level == statistics.level == self.level
        assert statistics.failed == sum(
            flight.asked == 3 and flight.outcome in {"ConnectionError", "ValueError"} for flight in self.flights
        )


class DeadlineMachine(RuleBasedStateMachine):
    """Deadlines entered and left in several contexts, as tasks and threads have them, some of which copy another."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.contexts: list[tuple[Context, list[Deadline]]] = [(Context(), [])]

    @rule(parent=PICK)
    def begin_a_task(self, parent: int) -> None:
        context, entered = self.contexts[parent % len(self.contexts)]
        self.contexts.append((context.copy(), list(entered)))

    @rule(where=PICK, seconds=st.integers(-2, 9), another=PICK, shared=st.booleans())
    def enter(self, where: int, seconds: int, another: int, *, shared: bool) -> None:
        context, entered = self.contexts[where % len(self.contexts)]
        held = [deadline for _, deadlines in self.contexts for deadline in deadlines]
        deadline = held[another % len(held)] if shared and held else Deadline(seconds, clock=self.clock)
        context.run(deadline.__enter__)
        entered.append(deadline)

    @rule(where=PICK)
    def leave(self, where: int) -> None:
        context, entered = self.contexts[where % len(self.contexts)]
        if entered:
            context.run(entered.pop().__exit__, None, None, None)

    @rule(seconds=st.integers(0, 3))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def the_earliest_holds_in_each(self) -> None:
        for context, entered in self.contexts:
            held = context.run(current_deadline)
            assert (held is None) == (not entered)
            if held is not None:
                assert held.at == min(deadline.at for deadline in entered)
                assert context.run(self.is_started) == (held.at > self.clock())

    def is_started(self) -> bool:
        try:
            Bulkhead(1).call_sync(int)
        except DeadlineExceededError:
            return False
        return True


@dataclass
class Stream:
    """One stream: what its source will say next, and where the model says it is."""

    said: asyncio.Queue[Any]
    task: asyncio.Task[Any] | None = None
    read: list[int] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    until: float = 0.0
    outcome: str | None = None


class StreamGuardMachine(RuleBasedStateMachine):
    """Two seconds for the first item, one for each further one, and an item that says that all is there."""

    END = -1

    def __init__(self) -> None:
        super().__init__()
        self.loop = ManualLoop()
        self.guard = StreamGuard(2.0, idle=1.0, is_end=lambda item: item == self.END)
        self.pipeline = Pipeline(self.guard)
        self.streams: list[Stream] = []

    def under_way(self) -> list[Stream]:
        return [one for one in self.streams if one.outcome is None]

    async def _read(self, stream: Stream) -> str:
        async def source() -> AsyncIterator[int]:
            while True:
                item = await stream.said.get()
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item

        async with self.pipeline.stream(source) as items:
            async for item in items:
                stream.read.append(item)
        return "complete"

    @rule()
    def begin(self) -> None:
        stream = Stream(asyncio.Queue(), until=self.loop.now + 2.0)
        stream.task = self.loop.create_task(self._read(stream))
        self.streams.append(stream)
        self.loop.settle()

    @precondition(lambda self: self.under_way())
    @rule(pick=PICK, item=st.sampled_from([1, 2, END]))
    def say(self, pick: int, item: int) -> None:
        stream = self.under_way()[pick % len(self.under_way())]
        stream.said.put_nowait(item)
        stream.expected.append(item)
        stream.until = self.loop.now + 1.0
        self.loop.settle()

    @precondition(lambda self: self.under_way())
    @rule(pick=PICK, fails=st.booleans())
    def end(self, pick: int, *, fails: bool) -> None:
        stream = self.under_way()[pick % len(self.under_way())]
        stream.said.put_nowait(ConnectionError("broken") if fails else None)
        ended_well = self.END in stream.expected  # whatever came after it
        stream.outcome = "ConnectionError" if fails else "complete" if ended_well else StreamBrokenError.__name__
        self.loop.settle()

    @precondition(lambda self: self.under_way())
    @rule(pick=PICK)
    def leave(self, pick: int) -> None:
        stream = self.under_way()[pick % len(self.under_way())]
        assert stream.task is not None
        stream.task.cancel()
        stream.outcome = "cancelled"
        self.loop.settle()

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0]))
    def pass_time(self, seconds: float) -> None:
        self.loop.now += seconds
        for stream in self.under_way():
            if stream.until <= self.loop.now:
                stream.outcome = StreamBrokenError.__name__
        self.loop.settle()

    @invariant()
    def every_stream_is_where_the_model_says(self) -> None:
        for stream in self.streams:
            assert stream.task is not None
            assert stream.read == stream.expected
            assert stream.task.done() == (stream.outcome is not None), stream
            if stream.task.done():
                assert how(stream.task) == stream.outcome, stream

    @invariant()
    def it_counts_what_it_saw(self) -> None:
        statistics = self.guard.statistics()
        outcomes = [one.outcome for one in self.streams]
        assert statistics.completed == outcomes.count("complete")
        assert statistics.late + statistics.idle + statistics.cut == outcomes.count("StreamBrokenError")

    def teardown(self) -> None:
        for stream in self.streams:
            assert stream.task is not None
            stream.task.cancel()
        self.loop.settle()
        assert not self.loop.tasks()
        for stream in self.streams:
            assert stream.task is not None
            how(stream.task)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


HOW = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestRetry = RetryMachine.TestCase
TestTimeout = TimeoutMachine.TestCase
TestHedge = HedgeMachine.TestCase
TestFallback = FallbackMachine.TestCase
TestLadder = LadderMachine.TestCase
TestDeadline = DeadlineMachine.TestCase
TestStreamGuard = StreamGuardMachine.TestCase
TestRetry.settings = TestTimeout.settings = TestHedge.settings = TestStreamGuard.settings = HOW
TestFallback.settings = TestLadder.settings = TestDeadline.settings = settings(HOW, max_examples=60)
