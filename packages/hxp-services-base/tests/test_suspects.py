"""An engine is not fed again what it died of, and innocents are not refused for long."""

from __future__ import annotations

import pytest
from hxp_services_base.engines._suspects import CrashSuspectError, CrashSuspects, Ending


class Record:
    """Suspects with a clock of the test's."""

    def __init__(self, limit: int = 64) -> None:
        self.now = 0.0
        self.suspects = CrashSuspects(limit=limit, seconds=600.0, clock=lambda: self.now)

    def is_refused(self, request: bytes, tenant: str = "a") -> bool:
        return self.suspects.is_refused((tenant, request))

    def died(self, *requests: bytes, ending: Ending = Ending.CRASHED, tenant: str = "a") -> None:
        self.suspects.died([(tenant, request) for request in requests], ending=ending)


def test_a_request_that_ran_alone_when_the_engine_crashed_is_refused_for_a_time() -> None:
    record = Record()
    record.died(b"killer")
    assert record.is_refused(b"killer")
    assert not record.is_refused(b"other")
    record.now = 600.0
    assert not record.is_refused(b"killer")
    assert len(record.suspects) == 0


def test_one_of_several_is_refused_after_the_second_death() -> None:
    record = Record()
    record.died(b"killer", b"innocent")
    assert not record.is_refused(b"killer")
    record.suspects.answered(("a", b"innocent"))
    record.died(b"killer", b"innocent")
    assert record.is_refused(b"killer")
    assert not record.is_refused(b"innocent")
    record.now = 60.0
    assert not record.is_refused(b"killer"), "it may have been in bad company"
    record.died(b"killer", b"other")
    assert record.is_refused(b"killer")


def test_an_engine_killed_from_outside_makes_nobody_suspect_at_once() -> None:
    record = Record()
    record.died(b"one", ending=Ending.KILLED)
    assert not record.is_refused(b"one")
    record.died(b"one", ending=Ending.KILLED)
    assert record.is_refused(b"one")


def test_equal_requests_are_not_alone() -> None:
    record = Record()
    record.died(b"same", b"same", b"same", b"same")
    assert not record.is_refused(b"same"), "four of them count as four"
    record.now = 100.0
    record.died(b"same", b"same")
    record.now = 699.0
    assert record.is_refused(b"same"), "nothing else was there at its second death"


@pytest.mark.parametrize("count", [1, 4])
def test_a_hang_makes_nobody_suspect_before_the_second_one(count: int) -> None:
    record = Record()
    record.died(*[b"ping"] * count, ending=Ending.STUCK)
    assert not record.is_refused(b"ping"), "it may have been stopped or starved"
    record.suspects.answered(("a", b"ping"))
    record.died(*[b"ping"] * count, ending=Ending.STUCK)
    assert not record.is_refused(b"ping"), "it was answered in between"
    record.died(*[b"ping"] * count, ending=Ending.STUCK)
    assert record.is_refused(b"ping")
    record.now = 599.0
    assert record.is_refused(b"ping")


def test_a_request_is_refused_to_its_tenant_alone() -> None:
    record = Record()
    record.died(b"killer", tenant="a")
    assert record.is_refused(b"killer", "a")
    assert not record.is_refused(b"killer", "b")
    assert not record.is_refused(b"killer", "")


def test_one_tenant_cannot_have_a_request_refused_to_others_however_often_it_kills() -> None:
    record = Record()
    for _ in range(5):
        record.died(b"ping", tenant="bad")
    assert not record.is_refused(b"ping", "good")


def test_a_request_that_the_engine_died_of_for_two_tenants_is_refused_to_all() -> None:
    record = Record()
    record.died(b"killer", tenant="a")
    record.now = 100.0
    record.died(b"killer", tenant="b")
    assert record.is_refused(b"killer", "c")
    with pytest.raises(CrashSuspectError, match="for 500 s"):
        record.suspects.check(("c", b"killer"))
    record.now = 600.0
    assert not record.is_refused(b"killer", "c")
    assert record.is_refused(b"killer", "b")


def test_an_answer_clears_it_for_all() -> None:
    record = Record()
    record.died(b"ping", tenant="a")
    record.suspects.answered(("b", b"ping"))
    assert not record.is_refused(b"ping", "a")
    assert len(record.suspects) == 0


def test_the_record_is_bounded() -> None:
    record = Record(limit=2)
    for request in (b"1", b"2", b"3"):
        record.died(request)
    assert [record.is_refused(request) for request in (b"1", b"2", b"3")] == [False, True, True]
    record.died()
    assert len(record.suspects) == 2


def test_the_message_tells_what_to_do() -> None:
    record = Record()
    record.died(b"1")
    with pytest.raises(CrashSuspectError, match="not given it again for 600 s; change the request") as caught:
        record.suspects.check(("a", b"1"))
    info = caught.value.info
    assert (info.status, info.code, info.retryable) == (422, "engine_crash_suspect", False)
