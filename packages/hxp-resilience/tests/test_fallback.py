"""Something else instead of an error."""

from __future__ import annotations

from typing import Any

import pytest
from hxp_resilience import Fallback, FallbackOptions, Ladder, Pipeline
from hxp_resilience.testing import RecordingHook

pytestmark = pytest.mark.anyio


async def fail(value: int = 0) -> int:
    raise ConnectionError(value)


def fail_sync(value: int = 0) -> int:
    raise ConnectionError(value)


async def test_a_value_or_a_function_answers_instead() -> None:
    assert await Fallback(value=7).call(fail) == 7
    assert await Fallback(value=None).call(fail) is None
    answer: Any = await Fallback(lambda error, value: (type(error), value)).call(fail, 3)
    assert answer == (ConnectionError, 3)

    async def later(error: Exception, value: int = 0) -> str:
        return f"{type(error).__name__} {value}"

    answer = await Fallback(later).call(fail, value=4)
    assert answer == "ConnectionError 4"
    answer = Fallback(str).call_sync(lambda: fail_sync(1))
    assert answer == "1"


async def test_only_the_errors_that_are_meant_lead_there() -> None:
    fallback = Fallback(value=7, on=(KeyError, TimeoutError))
    with pytest.raises(ConnectionError):
        await fallback.call(fail)
    fallback.reload(FallbackOptions(lambda error: isinstance(error, OSError)))
    assert await fallback.call(fail) == 7
    assert fallback.statistics().used == 1


async def test_a_fallback_that_fails_too_raises_its_own_error() -> None:
    def worse(error: Exception) -> int:
        raise KeyError("worse") from error

    fallback = Fallback(worse)
    with pytest.raises(KeyError) as caught:
        await fallback.call(fail)
    assert isinstance(caught.value.__cause__, ConnectionError)
    with pytest.raises(KeyError):
        fallback.call_sync(fail_sync)
    assert fallback.statistics().failed == 2


async def test_in_shadow_mode_the_error_goes_through() -> None:
    hook = RecordingHook()
    pipeline = Pipeline(Fallback(value=1, options=FallbackOptions(shadow=True)), hooks=[hook])
    with pytest.raises(ConnectionError):
        await pipeline.call(fail)
    assert [(event.kind, event.error, event.shadow) for event in hook.events] == [
        ("fallback.used", "ConnectionError", True)
    ]


def test_it_says_what_it_is_given() -> None:
    for wrong in ({}, {"function": len, "value": 1}):
        with pytest.raises(ValueError, match="not both"):
            Fallback(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="predicate"):
        FallbackOptions(7)  # type: ignore[arg-type]
    assert "len" in Fallback(len).explain()
    assert "a fixed value" in Fallback(value=1).explain()


async def test_a_ladder_goes_down_until_a_rung_answers() -> None:
    hook, broken = RecordingHook(), {"full", "small"}

    async def large(question: str) -> str:
        if "full" in broken:
            raise ConnectionError
        return f"large: {question}"

    async def small(question: str) -> str:
        if "small" in broken:
            raise TimeoutError
        return f"small: {question}"

    ladder = Ladder({"small": small, "cached": lambda question: f"cached: {question}"})
    ladder.watch(hook)
    assert await ladder.call(large, "why") == "cached: why"
    assert (ladder.level, ladder.statistics().answered) == ("cached", {"small": 0, "cached": 1})
    broken.discard("small")
    assert await ladder.call(large, "why") == "small: why"
    broken.clear()
    assert await ladder.call(large, "why") == "large: why"
    assert ladder.level == "full"
    assert [event.detail for event in hook.events] == ["cached", "small"]


async def test_when_no_rung_answers_the_last_error_is_raised() -> None:
    def worse() -> int:
        raise KeyError

    ladder = Ladder({"a": fail_sync, "b": worse})
    with pytest.raises(KeyError):
        await ladder.call(fail)
    with pytest.raises(KeyError):
        ladder.call_sync(fail_sync)
    assert ladder.statistics().failed == 2
    assert Ladder({"a": lambda value: value}).call_sync(fail_sync, 3) == 3


async def test_a_ladder_keeps_to_its_errors_and_to_the_shadow() -> None:
    ladder = Ladder({"a": lambda: 1}, on=KeyError)
    with pytest.raises(ConnectionError):
        await ladder.call(fail)
    ladder.reload(FallbackOptions(shadow=True))
    with pytest.raises(ConnectionError):
        await ladder.call(fail)
    assert ladder.statistics().answered == {"a": 1}
    assert "a" in ladder.explain()
    for wrong in ({}, {"full": len}):
        with pytest.raises(ValueError, match="rung"):
            Ladder(wrong)
