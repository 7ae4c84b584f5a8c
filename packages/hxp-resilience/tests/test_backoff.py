"""The pause that a target asks for, in whatever form it says so."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hxp_resilience import RetriesExhaustedError, Retry, RetryBudget, RetryOptions, RetryStatistics
from hxp_resilience._backoff import seconds_asked
from hxp_resilience.testing import RecordingHook, no_waiting

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class TooManyError(Exception):
    """What a client raises: the pause stands in the headers, its own or those of its response."""

    retryable = True
    status = 429

    def __init__(self, value: object, *, of: str = "error", name: str = "Retry-After") -> None:
        super().__init__("canary")
        if of == "error":
            self.headers: Any = {name: value}
        else:
            self.response = SimpleNamespace(headers={name: value})


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("9" * 400, float("inf")),
        (10**400, float("inf")),
        ("nan", None),
        ("tomorrow", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("of", ["error", "response"])
@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
def test_seconds_and_dates_are_understood(sent: object, seconds: float | None, of: str, name: str) -> None:
    """U5 (RFC 9110, section 10.2.3)."""
    assert seconds_asked(TooManyError(sent, of=of, name=name), lambda: NOW) == seconds


def test_headers_that_are_none_ask_for_nothing() -> None:
    error = TooManyError("7")
    error.headers = 5  # somebody else's object
    assert seconds_asked(error) is None
    assert seconds_asked(ConnectionError()) is None


def test_a_date_is_read_against_the_clock_of_the_system() -> None:
    assert seconds_asked(TooManyError("Mon, 23 Nov 1998 12:00:00 GMT")) == 0.0


def ask(*outcomes: Exception) -> Any:
    left = list(outcomes)

    def answer() -> str:
        if left:
            raise left.pop(0)
        return "pong"

    return answer


def test_the_wait_and_the_timeline_follow_the_header() -> None:
    """U5."""
    with no_waiting() as waits:
        assert Retry(2, random=lambda: 0.0).call_sync(ask(TooManyError("7"))) == "pong"
    assert waits == [7.0]
    with no_waiting(), pytest.raises(RetriesExhaustedError) as caught:
        Retry(2, random=lambda: 0.0).call_sync(ask(TooManyError("0.4"), TooManyError("3")))
    assert caught.value.timeline == ("attempt 1: 429, waited 0.400 s (Retry-After)", "attempt 2: 429")
    assert caught.value.retry_after == 3.0


@pytest.mark.parametrize("sent", ["1000000000", "9" * 400, "Mon, 23 Nov 2998 12:00:00 GMT"])
def test_an_absurd_pause_ends_the_call_and_is_clamped(sent: str) -> None:
    """U5."""
    with no_waiting() as waits, pytest.raises(RetriesExhaustedError, match="too long a pause") as caught:
        Retry(5).call_sync(ask(TooManyError(sent)))
    assert (waits, caught.value.retry_after) == ([], 120.0)


def test_in_shadow_mode_nothing_is_tried_again() -> None:
    hook = RecordingHook()
    retry = Retry(RetryOptions(3, shadow=True, retry_if=lambda result: result == "pong"))
    retry.watch(hook)
    with pytest.raises(ConnectionError):
        retry.call_sync(ask(ConnectionError()))
    assert retry.call_sync(ask()) == "pong"
    assert retry.statistics() == RetryStatistics(retried=0, exhausted=0, shadowed=2)
    assert [event.shadow for event in hook.events] == [True, True]


def test_a_retry_explains_how_it_waits() -> None:
    words = Retry(RetryOptions(None, max_time=9.0, jitter="decorrelated"), budget=RetryBudget()).explain()
    assert words.startswith("try as often as the time allows within 9 s, waiting 0.5 s to three times the last wait")
    assert "waiting as function says" in Retry(2, wait=lambda _state: 1.0).explain()
    with pytest.raises(ValueError, match="in the options"):
        Retry(RetryOptions(), wait=lambda _state: 1.0)


@pytest.mark.parametrize("wrong", [{"max_time": 0}, {"first_wait": -1}, {"max_retry_after": -1}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        RetryOptions(**wrong)
