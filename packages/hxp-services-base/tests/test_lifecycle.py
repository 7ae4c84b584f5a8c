"""A life from configuration to stop, also when something goes wrong on the way."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hxp_logging.testing import capture
from hxp_services_base import BaseService, Check, Context, Identity, Lifecycle, Settings, StartError, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from hxp_services_base import Transition

pytestmark = pytest.mark.anyio


class Noted:
    """A part that notes when it opens and closes, and fails where it is told to."""

    def __init__(self, name: str, notes: list[str], *, fail_open: bool = False, fail_close: bool = False) -> None:
        self.name = name
        self._notes = notes
        self._fail_open = fail_open
        self._fail_close = fail_close

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[str]:
        del context
        if self._fail_open:
            raise OSError(f"{self.name} cannot open")
        self._notes.append(f"open {self.name}")
        yield self.name
        self._notes.append(f"close {self.name}")
        if self._fail_close:
            raise OSError(f"{self.name} cannot close")

    def checks(self) -> Sequence[Check]:
        return ()


class Parts(BaseService[Settings]):
    """A service of the parts that a test gives it."""

    lame_duck = 0.0
    start_timeout = 5.0

    def __init__(self, *parts: Noted) -> None:
        self.parts = parts

    async def start(self, context: Context) -> None:
        for part in self.parts:
            assert await context.enter(part) == part.name


def life(service: BaseService[Any], context: Context, told: list[Transition] | None = None) -> Lifecycle:
    lifecycle = Lifecycle(service, context, on_transition=told.append if told is not None else None)
    lifecycle.configure(Settings())
    return lifecycle


async def test_parts_open_in_order_and_close_in_reverse(context: Context) -> None:
    notes: list[str] = []
    told: list[Transition] = []
    lifecycle = life(Parts(Noted("a", notes), Noted("b", notes)), context, told)
    await lifecycle.start()
    assert lifecycle.state is State.READY
    lifecycle.begin_drain("enough")
    await lifecycle.drain()
    await lifecycle.stop()
    assert notes == ["open a", "open b", "close b", "close a"]
    assert [step.after.value for step in told] == ["configured", "starting", "ready", "draining", "stopped"]
    assert lifecycle.history[-2].reason == "enough"


async def test_a_start_that_fails_half_way_closes_what_was_opened(context: Context) -> None:
    notes: list[str] = []
    lifecycle = life(Parts(Noted("a", notes), Noted("b", notes, fail_open=True)), context)
    with pytest.raises(StartError, match="'probe' failed in start: b cannot open"):
        await lifecycle.start()
    assert notes == ["open a", "close a"]
    assert lifecycle.state is State.FAILED


async def test_a_part_that_cannot_close_after_a_failed_start_hides_nothing(context: Context) -> None:
    notes: list[str] = []
    parts = Parts(Noted("a", notes, fail_close=True), Noted("b", notes, fail_open=True))
    with capture() as lines, pytest.raises(StartError, match="b cannot open"):
        await life(parts, context).start()
    assert any("a cannot close" in str(line) for line in lines)


async def test_every_failure_at_stop_is_told_together(context: Context) -> None:
    notes: list[str] = []

    class Sulking(Parts):
        async def stop(self, context: Context) -> None:
            raise RuntimeError("the flush failed")

    lifecycle = life(Sulking(Noted("a", notes, fail_close=True), Noted("b", notes, fail_close=True)), context)
    await lifecycle.start()
    lifecycle.begin_drain("enough")
    with pytest.raises(ExceptionGroup) as caught:
        await lifecycle.stop()
    messages = str(caught.value.exceptions)
    assert "the flush failed" in messages
    assert notes == ["open a", "open b", "close b", "close a"]
    inner = caught.value.exceptions[1]
    assert isinstance(inner, ExceptionGroup)
    assert [str(error) for error in inner.exceptions] == ["b cannot close", "a cannot close"]
    assert "while closing the part 'b'" in inner.exceptions[0].__notes__
    assert lifecycle.state is State.FAILED


async def test_a_service_that_refuses_its_settings_fails_with_its_own_words(context: Context) -> None:
    class Picky(BaseService[Settings]):
        def configure(self, settings: Settings) -> None:
            raise ValueError("I want another port")

    lifecycle = Lifecycle(Picky(), context)
    with pytest.raises(StartError, match="'probe' refused its configuration: I want another port"):
        lifecycle.configure(Settings())
    assert lifecycle.state is State.FAILED


async def test_a_warm_up_that_takes_too_long_fails_the_start(context: Context) -> None:
    class Slow(BaseService[Settings]):
        start_timeout: ClassVar[float] = 0.01

        async def ready(self, context: Context) -> None:
            assert context.remaining() <= 0.01
            await asyncio.Event().wait()

    with pytest.raises(StartError, match=r"failed in warm-up: not done within 0\.01 s"):
        await life(Slow(), context).start()


async def test_a_drain_that_raises_or_overruns_does_not_keep_the_service_alive(context: Context) -> None:
    class Stubborn(BaseService[Settings]):
        lame_duck: ClassVar[float] = 0.0
        drain_timeout: ClassVar[float] = 0.01

        async def drain(self, context: Context) -> None:
            await asyncio.Event().wait()

    lifecycle = life(Stubborn(), context)
    await lifecycle.start()
    lifecycle.begin_drain("enough")
    await lifecycle.drain()
    await lifecycle.stop()
    assert lifecycle.state is State.STOPPED


async def test_a_service_follows_its_health_into_degraded_and_back(context: Context) -> None:
    trouble: list[str] = []
    moved: asyncio.Queue[State] = asyncio.Queue()

    async def check() -> str | None:
        return trouble[0] if trouble else None

    class Watched(BaseService[Settings]):
        def check_health(self) -> Sequence[Check]:
            return (Check("mood", check, ttl=0.0),)

    lifecycle = Lifecycle(Watched(), context, on_transition=lambda step: moved.put_nowait(step.after))
    lifecycle.configure(Settings())
    await lifecycle.start()
    trouble.append("bad")
    while await asyncio.wait_for(moved.get(), 5.0) is not State.DEGRADED:
        pass
    assert lifecycle.history[-1].reason == "mood: bad"
    trouble.clear()
    assert await asyncio.wait_for(moved.get(), 5.0) is State.READY
    lifecycle.begin_drain("enough")
    await lifecycle.stop()


async def test_the_death_of_a_spawned_task_is_told(context: Context) -> None:
    async def dying() -> None:
        raise RuntimeError("out of luck")

    context.spawn(dying(), name="doomed")
    name, error = await context.failure()
    assert (name, str(error)) == ("doomed", "out of luck")
    await context.close()


async def test_what_was_spawned_ends_with_the_service(context: Context) -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    context.spawn(endless(), name="endless")
    await asyncio.sleep(0)
    await context.close()
    assert ended.is_set()
    assert context.remaining() == float("inf")


async def test_failing_twice_is_failing_once(context: Context) -> None:
    lifecycle = life(BaseService(), context)
    lifecycle.fail("first")
    lifecycle.fail("second")
    assert lifecycle.history[-1].reason == "first"


def test_an_identity_knows_whether_others_can_reach_it() -> None:
    assert not Identity("a").is_public
    assert Identity("a", host="0.0.0.0").is_public
    assert "hush" not in repr(Identity("a", token="hush"))


def test_a_subclass_says_its_settings_type_once() -> None:
    class Mine(Settings):
        size: int = 1

    class Service(BaseService[Mine]):
        pass

    class Further(Service):
        pass

    assert Service.settings_type is Mine
    assert Further.settings_type is Mine


async def test_whoever_is_told_of_a_step_cannot_undo_it(context: Context) -> None:
    def refusing(step: Transition) -> None:
        raise OSError("the pipe is gone")

    lifecycle = Lifecycle(BaseService(), context, on_transition=refusing)
    with capture() as lines:
        lifecycle.configure(Settings())
        await lifecycle.start()
    assert lifecycle.state is State.READY
    assert any("could not be passed on" in str(line) for line in lines)
    lifecycle.begin_drain("enough")
    await lifecycle.stop()


async def test_a_look_at_health_that_fails_is_told_once_and_ends_nobody(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle = life(BaseService(), context)
    await lifecycle.start()
    looks: list[int] = []

    def failing() -> None:
        looks.append(1)
        if len(looks) < 3:
            raise RuntimeError("no look")

    monkeypatch.setattr(lifecycle, "_look_at_health", failing)
    with capture() as lines:
        async with asyncio.timeout(10):
            while len(looks) < 4:
                await asyncio.sleep(0.01)
    assert sum("health cannot be followed" in str(line) for line in lines) == 1
    await context.close()
