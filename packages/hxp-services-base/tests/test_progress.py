"""Silence of an engine is measured by looks in vain, and not by a clock that ran on without them."""

from __future__ import annotations

import errno

from hxp_services_base.engines._progress import Progress


class Watched:
    """A record with a clock of the test's."""

    def __init__(self, stall_timeout: float = 20.0) -> None:
        self.now = 0.0
        self.progress = Progress(stall_timeout, pause=1.0, clock=lambda: self.now)

    def look_in_vain(self, error: Exception | None = None) -> None:
        self.now += 1.0 + self.progress.look_limit
        self.progress.failed(error or TimeoutError())


def test_a_silent_engine_is_unready_first_and_stuck_later_whether_it_has_work_or_not() -> None:
    watched = Watched()
    watched.now = 6.0
    assert not watched.progress.is_silent, "the look may still be answered"
    watched.now = 0.0
    watched.look_in_vain()
    assert (watched.progress.silence, watched.progress.is_silent) == (6.0, False)
    watched.now += 2.5
    assert watched.progress.is_silent, "also while a look goes on"
    watched.now -= 2.5
    looks = 1
    while not watched.progress.is_stuck:
        watched.look_in_vain()
        looks += 1
    assert (looks, watched.now) == (4, 20.0)


def test_an_answer_ends_the_silence() -> None:
    watched = Watched()
    watched.look_in_vain()
    watched.look_in_vain()
    assert watched.progress.is_silent
    watched.progress.answered()
    assert (watched.progress.silence, watched.progress.moved_at) == (0.0, watched.now)


def test_a_pause_of_the_one_who_looks_is_no_silence_of_the_engine() -> None:
    watched = Watched()
    watched.now = 3600.0
    assert not watched.progress.is_silent
    watched.progress.failed(TimeoutError())
    assert (watched.progress.silence, watched.progress.is_stuck) == (6.0, False)


def test_a_look_that_needs_a_descriptor_that_is_not_there_says_nothing_about_the_engine() -> None:
    watched = Watched()
    wrapped = RuntimeError("no connection")
    wrapped.__cause__ = OSError(errno.EMFILE, "Too many open files")
    for error in (OSError(errno.EMFILE, "Too many open files"), wrapped) * 10:
        watched.look_in_vain(error)
    assert (watched.progress.silence, watched.progress.is_stuck) == (0.0, False)


def test_a_short_limit_does_not_make_the_pause_between_two_looks_a_silence() -> None:
    watched = Watched(stall_timeout=0.5)
    watched.now = 1.9
    assert not watched.progress.is_silent
    watched.look_in_vain()
    assert watched.progress.is_stuck
