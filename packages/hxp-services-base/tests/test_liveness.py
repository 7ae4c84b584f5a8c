"""Progress, judged from outside: a slow machine is not a hung service."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from typing import TYPE_CHECKING

import pytest
from hxp_schemas.deployment import Watch
from hxp_services_base.orchestration._liveness import CannotAskError, Liveness, Verdict, Watcher, ask_livez
from hxp_services_base.orchestration._process.usage import Usage, read_usage
from hxp_testing.upstream import BlackHole, Reply, ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WATCH = Watch(period=1.0, timeout=1.0, silent=5.0, busy=30.0)
NO_ANSWER = "no answer to /livez"


def usage(working: float = 0.0, waiting: float = 0.0, *, blocked: bool = False) -> Usage:
    return Usage(working, waiting, blocked)


def seconds_until_hung(liveness: Liveness, usages: Iterator[Usage | None], *, late: float = 0.0) -> int | None:
    """Ask without an answer once a second."""
    for second in range(1, 121):
        verdict = liveness.answered(NO_ANSWER, now=float(second), usage=next(usages), late=late)
        if verdict is Verdict.HUNG:
            return second
    return None


def test_a_process_that_does_nothing_and_answers_nothing_is_hung_after_the_short_time() -> None:
    """P9: what SIGSTOP looks like."""
    liveness = Liveness(WATCH, now=0.0)
    assert liveness.answered(None, now=0.0, usage=usage()) is Verdict.ALIVE
    assert seconds_until_hung(liveness, (usage() for _ in range(200))) == 5
    assert liveness.reason == "no answer to /livez for 5 s"


def test_the_operator_is_told_before_it_is_hung() -> None:
    liveness = Liveness(WATCH, now=0.0)
    verdicts = [liveness.answered(NO_ANSWER, now=now) for now in (1.0, 2.0, 3.0)]
    assert verdicts == [Verdict.ALIVE, Verdict.SILENT, Verdict.SILENT]
    assert liveness.answered(None, now=4.0) is Verdict.ALIVE
    assert liveness.answered(NO_ANSWER, now=5.0) is Verdict.ALIVE  # it begins anew


@pytest.mark.parametrize(
    "used",
    [
        pytest.param(lambda second: usage(working=second), id="it computes"),
        pytest.param(lambda second: usage(waiting=second), id="it waits for a processor"),
        pytest.param(lambda second: usage(working=second / 2, waiting=second / 2), id="it gets half of one"),
        pytest.param(lambda second: usage(blocked=True), id="it waits for a disk"),
    ],
)
def test_a_process_that_is_busy_or_starved_gets_the_long_time(used: Callable[[int], Usage]) -> None:
    """P9: and not when the machine is merely slow."""
    liveness = Liveness(WATCH, now=0.0)
    liveness.answered(None, now=0.0, usage=used(0))
    assert seconds_until_hung(liveness, (used(second) for second in range(1, 200))) == 30


def test_time_in_which_the_watcher_itself_was_late_counts_for_nothing() -> None:
    liveness = Liveness(WATCH, now=0.0)
    assert liveness.answered(NO_ANSWER, now=600.0, late=599.0) is Verdict.ALIVE
    assert seconds_until_hung(Liveness(WATCH, now=0.0), iter([usage()] * 200), late=1.0) is None


def test_threads_that_end_take_their_time_along_and_nothing_becomes_negative() -> None:
    liveness = Liveness(WATCH, now=0.0)
    liveness.answered(None, now=0.0, usage=usage(working=100.0))
    assert seconds_until_hung(liveness, iter([usage(working=1.0)] * 200)) == 5


class Clock:
    """Time that passes when somebody sleeps, and more of it where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stalls: dict[int, float] = {}
        self.sleeps = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.now += seconds + self.stalls.get(self.sleeps, 0.0)


@pytest.mark.anyio
async def test_the_watcher_tells_each_verdict_and_returns_the_reason() -> None:
    clock, told = Clock(), []

    async def ask() -> str | None:
        clock.now += WATCH.timeout
        return None if clock.now < 5 else NO_ANSWER

    watcher = Watcher(WATCH, ask=ask, usage=lambda: None, clock=clock, sleep=clock.sleep)
    reason = await watcher.until_hung(lambda verdict, why: told.append((verdict, why)))
    assert reason == "no answer to /livez for 6 s"
    assert told[0] == (Verdict.ALIVE, "")
    assert (Verdict.SILENT, "no answer to /livez for 2 s") in told
    assert told[-1][0] is Verdict.HUNG


@pytest.mark.anyio
async def test_a_supervisor_that_was_stopped_for_an_hour_ends_nobody() -> None:
    clock = Clock()
    clock.stalls = {3: 3600.0}
    verdicts: list[Verdict] = []

    async def ask() -> str | None:
        if clock.sleeps == 3:  # the first question after the hour has no time left for its answer
            return NO_ANSWER
        if clock.sleeps > 10:
            raise asyncio.CancelledError
        return None

    watcher = Watcher(WATCH, ask=ask, usage=lambda: None, clock=clock, sleep=clock.sleep)
    with pytest.raises(asyncio.CancelledError):
        await watcher.until_hung(lambda verdict, _: verdicts.append(verdict))
    assert set(verdicts) == {Verdict.ALIVE}


@pytest.mark.anyio
async def test_who_cannot_ask_judges_nobody() -> None:
    clock = Clock()

    async def ask() -> str | None:
        if clock.now > 100:
            raise asyncio.CancelledError
        raise CannotAskError("no descriptor is left")

    watcher = Watcher(WATCH, ask=ask, usage=lambda: None, clock=clock, sleep=clock.sleep)
    with pytest.raises(asyncio.CancelledError):
        await watcher.until_hung(lambda *_: pytest.fail("nothing was asked"))


@pytest.mark.anyio
async def test_livez_is_asked_and_its_answer_understood() -> None:
    behaviours = [
        Reply(200, {}, b'{"status":"pass"}'),
        Reply(503, {}, b'{"reason":"the event loop has not moved for 5.1 s"}'),
        Reply(503, {}, b"<html>"),
    ]
    async with ScriptedUpstream(behaviours) as server:
        answers = [await ask_livez(server.url, seconds=2.0) for _ in behaviours]
    assert answers == [None, "/livez fails (the event loop has not moved for 5.1 s)", "/livez fails"]
    assert await ask_livez("http://127.0.0.1:1", seconds=2.0) == NO_ANSWER
    async with ScriptedUpstream([BlackHole()]) as server:
        assert await ask_livez(server.url, seconds=0.05) == NO_ANSWER


@pytest.mark.anyio
async def test_a_want_of_descriptors_is_the_watchers_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio, "open_connection", refused)
    with pytest.raises(CannotAskError, match="Too many open files"):
        await ask_livez("http://127.0.0.1:1", seconds=1.0)


def test_the_kernel_tells_what_a_process_does(tmp_path: Path) -> None:
    before = read_usage(os.getpid())
    assert before is not None
    total = 0
    while (now := read_usage(os.getpid())) is not None and now.working < before.working + 0.02:
        total += sum(range(1000))
    assert now is not None
    assert not now.blocked
    assert read_usage(2**22 + 1) is None
    task = tmp_path / "7" / "task" / "8"
    task.mkdir(parents=True)
    assert read_usage(7, proc=tmp_path) is None  # a kernel that does not count
    (task / "schedstat").write_text("2000000000 1000000000 5\n")
    (task / "stat").write_text("8 (a) b) D 1")
    assert read_usage(7, proc=tmp_path) == Usage(2.0, 1.0, blocked=True)
    with contextlib.suppress(FileNotFoundError):
        (task / "stat").unlink()
    assert read_usage(7, proc=tmp_path) == Usage(2.0, 1.0, blocked=False)
