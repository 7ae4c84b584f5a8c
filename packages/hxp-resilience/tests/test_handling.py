"""What a program does with its errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import ErrorReport, ErrorReporter, ErrorReporterOptions, handle_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from hxp_resilience.testing import ManualClock

pytestmark = pytest.mark.anyio


class NotFoundError(Exception):
    pass


def not_found(error: Exception) -> NotFoundError:
    return NotFoundError(str(error))


def run(kind: str, error: BaseException, **rules: Any) -> Any:
    """Fail in a function of each kind, and return what comes of it."""

    @handle_errors(**rules)
    def plain() -> Any:
        raise error

    @handle_errors(**rules)
    async def coroutine() -> Any:
        raise error

    @handle_errors(**rules)
    def generator() -> Iterator[Any]:
        yield 1
        raise error

    @handle_errors(**rules)
    async def items() -> AsyncIterator[Any]:
        yield 1
        raise error

    async def collect() -> list[Any]:
        return [item async for item in items()]

    if kind == "plain":
        return plain()
    if kind == "coroutine":
        return asyncio.run(coroutine())
    return list(generator()) if kind == "generator" else asyncio.run(collect())


KINDS = ["plain", "coroutine", "generator", "items"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_becomes_another_and_stays_its_cause(kind: str) -> None:
    error = KeyError("x")
    with pytest.raises(NotFoundError) as caught:
        run(kind, error, mapping={LookupError: not_found, OSError: not_found}, context="while loading the profile")
    assert caught.value.__cause__ is error
    assert error.__notes__ == ["while loading the profile"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_type_decides(kind: str) -> None:
    with pytest.raises(NotFoundError):
        run(kind, KeyError("x"), mapping={Exception: lambda _: ValueError(), KeyError: not_found})


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_may_become_an_answer(kind: str) -> None:
    answer = run(kind, KeyError("x"), default="sorry")
    assert answer == ("sorry" if kind in {"plain", "coroutine"} else [1, "sorry"])
    answer = run(kind, KeyError("x"), default=lambda error: type(error).__name__)
    assert answer == ("KeyError" if kind in {"plain", "coroutine"} else [1, "KeyError"])


@pytest.mark.parametrize("kind", KINDS)
def test_other_errors_and_cancellation_pass(kind: str) -> None:
    reporter = ErrorReporter()
    for error in (ValueError("other"), asyncio.CancelledError(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            run(kind, error, on=KeyError, default=1, reporter=reporter)
    assert reporter.total == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_mapped_is_raised_as_it_is(kind: str) -> None:
    error, reporter = KeyError("x"), ErrorReporter()
    with pytest.raises(KeyError) as caught:
        run(kind, error, mapping={OSError: not_found}, reporter=reporter)
    assert caught.value is error
    assert reporter.total == 1


async def test_a_generator_keeps_its_manners() -> None:
    closed = []

    @handle_errors(default=0)
    def echo() -> Any:
        try:
            got = yield "ready"
            yield got
            return "end"
        finally:
            closed.append(1)

    talking = echo()
    assert next(talking) == "ready"
    assert talking.send("hello") == "hello"
    talking.close()

    @handle_errors(default=0)
    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(2)

    stream = items()
    assert await anext(stream) == 1
    await stream.aclose()  # type: ignore[attr-defined]
    assert closed == [1, 2]
    assert [item async for item in items()] == [1, 2]
    assert echo.__name__ == "echo"


def provoke(number: int = 0, *, cause: bool = False) -> Exception:
    try:
        try:
            raise ConnectionError(number)  # noqa: TRY301 (the traceback is what is asked for)
        except ConnectionError as error:
            if cause:
                raise NotFoundError(number) from error
            raise
    except Exception as error:  # noqa: BLE001 (it is what was asked for)
        return error


def test_equal_errors_are_told_a_few_times_and_counted_exactly(clock: ManualClock) -> None:
    told: list[ErrorReport] = []
    reporter = ErrorReporter([told.append], ErrorReporterOptions(first=2, interval=60.0), clock=clock)
    for number in range(100):
        reporter.report(provoke(number), "asking")
    assert len(told) == 2
    clock.advance(60.0)
    reporter.report(provoke(1))
    assert [(report.count, report.untold) for report in told] == [(1, 0), (2, 0), (101, 98)]
    assert reporter.counts() == {told[0].fingerprint: 101}
    assert (told[0].type, told[0].context) == ("builtins.ConnectionError", "asking")
    assert "provoke" in told[0].where


def test_different_errors_are_different(clock: ManualClock) -> None:
    reporter = ErrorReporter(clock=clock)
    reporter.report(provoke())
    reporter.report(provoke(cause=True))
    reporter.report(ValueError("never raised"))
    try:
        provoke_elsewhere()
    except ConnectionError as error:
        reporter.report(error)
    assert len(reporter.counts()) == 4


def provoke_elsewhere() -> None:
    raise ConnectionError


def test_memory_is_bounded_and_no_count_is_lost(clock: ManualClock) -> None:
    """R7, for errors."""
    reporter = ErrorReporter(options=ErrorReporterOptions(max_errors=10), clock=clock)
    for number in range(1000):
        reporter.report(type(f"Error{number}", (Exception,), {})())
    assert len(reporter.counts()) == 10
    assert sum(reporter.counts().values()) + reporter.forgotten == reporter.total == 1000


def test_a_hook_that_fails_is_passed_over(clock: ManualClock) -> None:
    told: list[ErrorReport] = []

    def broken(_report: ErrorReport) -> None:
        raise ZeroDivisionError

    reporter = ErrorReporter([broken, told.append], clock=clock)
    reporter.report(provoke())
    assert (len(told), reporter.failed_hooks) == (1, 1)


def test_errors_that_cause_each_other_are_no_trap() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    ErrorReporter().report(one)


@pytest.mark.parametrize("wrong", [{"first": 0}, {"max_errors": 0}, {"interval": -1}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        ErrorReporterOptions(**wrong)
