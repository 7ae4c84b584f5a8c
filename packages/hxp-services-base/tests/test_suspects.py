"""An engine is not fed again what it died of, and innocents are not refused for long."""

from __future__ import annotations

import pytest
from hxp_services_base.engines._suspects import CrashSuspectError, CrashSuspects


class Record:
    """Suspects with a clock of the test's."""

    def __init__(self, limit: int = 64) -> None:
        self.now = 0.0
        self.suspects = CrashSuspects(limit=limit, seconds=600.0, clock=lambda: self.now)

    def is_refused(self, request: bytes) -> bool:
        return self.suspects.is_refused(request)


def test_a_request_that_ran_alone_when_the_engine_crashed_is_refused_for_a_time() -> None:
    record = Record()
    record.suspects.died([b"killer", b"killer"], crashed=True)
    assert record.is_refused(b"killer")
    assert not record.is_refused(b"other")
    record.now = 600.0
    assert not record.is_refused(b"killer")
    assert len(record.suspects) == 0


def test_one_of_several_is_refused_after_the_second_death() -> None:
    record = Record()
    record.suspects.died([b"killer", b"innocent"], crashed=True)
    assert not record.is_refused(b"killer")
    record.suspects.answered(b"innocent")
    record.suspects.died([b"killer", b"innocent"], crashed=True)
    assert record.is_refused(b"killer")
    assert not record.is_refused(b"innocent")
    record.now = 60.0
    assert not record.is_refused(b"killer"), "it may have been in bad company"
    record.suspects.died([b"killer", b"other"], crashed=True)
    assert record.is_refused(b"killer")


def test_an_engine_killed_from_outside_makes_nobody_suspect_at_once() -> None:
    record = Record()
    record.suspects.died([b"one"], crashed=False)
    assert not record.is_refused(b"one")
    record.suspects.died([b"one"], crashed=False)
    assert record.is_refused(b"one")


def test_the_record_is_bounded() -> None:
    record = Record(limit=2)
    for request in (b"1", b"2", b"3"):
        record.suspects.died([request], crashed=True)
    assert [record.is_refused(request) for request in (b"1", b"2", b"3")] == [False, True, True]
    record.suspects.died([], crashed=True)
    assert len(record.suspects) == 2


def test_the_message_tells_what_to_do() -> None:
    record = Record()
    record.suspects.died([b"1"], crashed=True)
    with pytest.raises(CrashSuspectError, match="not given it again for 600 s; change the request") as caught:
        record.suspects.check(b"1")
    info = caught.value.info
    assert (info.status, info.code, info.retryable) == (422, "engine_crash_suspect", False)
