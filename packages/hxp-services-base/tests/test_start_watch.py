"""A start that hangs is noticed long before its time to start is over, and a slow one is none."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hxp_schemas import HealthStatus
from hxp_schemas.deployment import RestartBudget, Watch
from hxp_services_base import BaseService, Context, Lifecycle, Probe, Settings
from hxp_services_base.orchestration import LaunchError, Node, NodeStatus, Stack, Subprocesses, Supervisor, service_type
from hxp_services_base.orchestration._process.usage import Usage
from hxp_services_base.orchestration._start_watch import StartWatch
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

NODE = Node("a", use="probe", make=BaseService, settings=Settings(), port=4000)


class World:
    """A process that starts; time passes when somebody sleeps."""

    def __init__(self, *, working: Callable[[float], float], answers_from: float = 1e9) -> None:
        self.now = 0.0
        self.working = working
        self.answers_from = answers_from
        self.asked: set[str] = set()

    async def ask(self, url: str) -> str | None:
        self.asked.add(url)
        return None if self.now >= self.answers_from else "no answer to /livez"

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > 600:
            raise asyncio.CancelledError

    def usage(self, pid: int) -> Usage:
        assert pid == 7
        return Usage(self.working(self.now), 0.0, blocked=False)

    async def run(self, node: Node = NODE) -> str:
        how = {"ask": self.ask, "usage": self.usage, "clock": lambda: self.now, "sleep": self.sleep}
        return await StartWatch(node, 7, **how).until_hung()  # type: ignore[arg-type]  # each is what it is for


async def test_a_start_that_does_nothing_is_hung_after_the_limit() -> None:
    """P9: it was `starting` for as long as its time to start."""
    world = World(working=lambda _: 1.0)
    assert await world.run() == "no answer to /livez for 15 s"
    assert (world.now, world.asked) == (15.0, {"http://127.0.0.1:5000"})


async def test_a_start_that_hangs_after_a_while_is_hung_from_then_on() -> None:
    assert "no answer" in await World(working=lambda now: min(now, 40.0)).run()


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(lambda: World(working=lambda now: now), id="it loads"),
        pytest.param(lambda: World(working=lambda _: 0.0, answers_from=3.0), id="it waits and answers"),
    ],
)
async def test_a_slow_start_is_none(world: Callable[[], World]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await world().run()


async def test_where_nobody_knows_the_port_the_least_work_is_a_sign_of_life() -> None:
    node = replace(NODE, port=0)
    with pytest.raises(asyncio.CancelledError):
        await World(working=lambda now: now / 1000).run(node)
    world = World(working=lambda now: min(now, 10.0))
    assert await world.run(node) == "nothing done for 15 s"
    assert world.asked == set()


class Waiting(BaseService[Settings]):
    """It waits for something while it starts."""

    async def start(self, context: Context) -> None:
        await asyncio.Event().wait()


async def test_a_service_that_waits_while_it_starts_is_alive(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.health, "_interval", 0.01)
    monkeypatch.setattr(context.health, "_stall_after", 0.5)
    lifecycle = Lifecycle(Waiting(), context)
    lifecycle.configure(Settings())
    starting = asyncio.create_task(lifecycle.start())
    began = context.health._beat_at
    async with asyncio.timeout(10):
        while context.health._beat_at < began + 0.7:  # longer than the loop may stand still
            await asyncio.sleep(0.01)
    assert context.health.report(Probe.LIVE).status is HealthStatus.PASS
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await context.close()


QUICK = Watch(period=0.1, timeout=0.4, silent=5.0, starting=1.0)


class Stopper:
    """Stops the first so many processes of a service as soon as they are there."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.stopped: list[int] = []

    def __call__(self, status: NodeStatus) -> None:
        if self.left and status.state == "starting" and status.pid and status.pid not in self.stopped:
            self.left -= 1
            self.stopped.append(status.pid)
            os.kill(status.pid, signal.SIGSTOP)


def supervisor(tmp_path: Path, stop: Stopper, told: list[str]) -> Supervisor:
    kind: Any = service_type("probe")
    budget = RestartBudget(max_restarts=2, window=60.0, backoff=0.01, backoff_max=0.02, retry=600.0)
    port = free_ports(1)[0]
    node = Node("a", use="probe", make=kind, settings=kind.settings_type(), port=port, restart=budget, watch=QUICK)
    stack = Stack("s", (node,), state_dir=tmp_path / ".hxp")
    return Supervisor(stack, Subprocesses(), on_change=stop, tell=told.append)


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.usefixtures("plugin")
async def test_a_start_that_hangs_is_ended_and_launched_again(tmp_path: Path) -> None:
    told: list[str] = []
    stop = Stopper(1)
    stack = supervisor(tmp_path, stop, told)
    async with asyncio.timeout(30):
        await stack.up()
        assert "'a' hung while it started: no answer to /livez for" in told[0]
        stop.left = 1
        os.kill(stack.status["a"].pid or 0, signal.SIGKILL)
        while stack.status["a"].restarts < 2 or stack.status["a"].state != "ready":
            await asyncio.sleep(0.02)
    assert "hung while it started" in stack.status["a"].last_exit
    assert not any(is_running(pid) for pid in stop.stopped)
    await stack.down()


@pytest.mark.usefixtures("plugin")
async def test_a_first_start_that_hangs_twice_is_told(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="'a' hung while it started"):
        await supervisor(tmp_path, Stopper(2), []).up()


@pytest.mark.usefixtures("plugin")
async def test_a_start_that_cannot_be_watched_is_bounded_by_its_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    async def until_hung(_: object) -> str:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(StartWatch, "until_hung", until_hung)
    stack = supervisor(tmp_path, Stopper(0), told)
    await stack.up()
    assert told == ["the start of 'a' is not watched: RuntimeError('a mistake of ours')"]
    await stack.down()
