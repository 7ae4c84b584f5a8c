"""Stacks at work: one suite for every runner, then what only processes can do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hxp_schemas.deployment import RestartBudget
from hxp_services_base.chassis import bind
from hxp_services_base.orchestration import (
    InProcess,
    LaunchError,
    Node,
    NodeStatus,
    ProcessMark,
    Stack,
    StackState,
    Subprocesses,
    Supervisor,
    service_type,
)
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hxp_services_base.orchestration import Runner

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("plugin")]

QUICK = RestartBudget(max_restarts=2, backoff=0.01)


def probe(name: str, *needs: str, port: int, restart: RestartBudget = QUICK, **settings: Any) -> Node:
    kind: Any = service_type("probe")
    validated = kind.settings_type(**settings)
    return Node(name, use="probe", make=kind, settings=validated, port=port, needs=needs, restart=restart)


@pytest.fixture(params=[InProcess, Subprocesses])
def runner(request: pytest.FixtureRequest) -> Runner:
    made: Runner = request.param()
    return made


async def get(url: str) -> str:
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        return await response.text()


def stack_of(tmp_path: Path, *nodes: Node) -> Stack:
    return Stack("test", nodes, state_dir=tmp_path / ".hxp")


class TestEveryRunner:
    """What a stack promises wherever its services run."""

    async def test_services_come_up_in_order_know_each_other_and_go_down(self, tmp_path: Path, runner: Runner) -> None:
        a, b = free_ports(2)
        told: list[NodeStatus] = []
        nodes = probe("a", port=a, secret="hush"), probe("b", "a", port=b)
        supervisor = Supervisor(stack_of(tmp_path, *nodes), runner, on_change=told.append)
        await supervisor.up()
        assert {status.state for status in supervisor.status.values()} == {"ready"}
        assert await get(supervisor.status["a"].url) == "hello hush []"
        assert await get(supervisor.status["b"].url) == "hello  ['a']"
        assert await supervisor.down() == {"a": 0, "b": 0}
        assert [status.name for status in told if status.state == "ready"] == ["a", "b"]
        assert [status.name for status in told if status.state == "stopped"][-1] == "a"
        bind("127.0.0.1", a).close()

    async def test_a_service_that_refuses_to_start_takes_the_others_down_again(
        self, tmp_path: Path, runner: Runner
    ) -> None:
        a, b = free_ports(2)
        nodes = probe("a", port=a), probe("b", "a", port=b, refuse=True)
        supervisor = Supervisor(stack_of(tmp_path, *nodes), runner)
        with pytest.raises(LaunchError, match="'b' refused its configuration: refused, as told"):
            await supervisor.up()
        assert supervisor.status["a"].state == "stopped"
        assert supervisor.status["b"].state == "failed"
        bind("127.0.0.1", a).close()

    async def test_a_taken_port_is_told_with_its_holder_and_left_alone(self, tmp_path: Path, runner: Runner) -> None:
        """P6."""
        port = free_ports(1)[0]
        with contextlib.closing(bind("127.0.0.1", port)) as holder:
            supervisor = Supervisor(stack_of(tmp_path, probe("a", port=port)), runner)
            with pytest.raises(LaunchError, match=rf"{port} is in use by process"):
                await supervisor.up()
            assert holder.getsockname()[1] == port


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_service_that_is_killed_is_started_again_and_the_reason_is_kept(tmp_path: Path) -> None:
    supervisor = Supervisor(stack_of(tmp_path, probe("a", port=free_ports(1)[0])), Subprocesses())
    await supervisor.up()
    first = supervisor.status["a"].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.status["a"].restarts == 1 and supervisor.status["a"].state == "ready")
    status = supervisor.status["a"]
    assert status.pid != first
    assert status.last_exit == "killed by SIGKILL"
    assert await get(status.url) == "hello  []"
    await supervisor.down()


async def test_a_service_that_keeps_dying_spends_its_budget_and_is_tried_again_later(tmp_path: Path) -> None:
    restart = RestartBudget(max_restarts=2, backoff=0.01, retry=0.7, retry_max=0.7)
    supervisor = Supervisor(stack_of(tmp_path, probe("a", port=free_ports(1)[0], restart=restart)), Subprocesses())
    await supervisor.up()
    url = supervisor.status["a"].url
    async with asyncio.timeout(30):
        while not supervisor.status["a"].budget_spent:
            with contextlib.suppress(aiohttp.ClientError):
                await get(url + "/die")
            await asyncio.sleep(0.02)
    status = supervisor.status["a"]
    assert "killed by SIGKILL, after 2 restarts; its restart budget is spent; next try in 0.7 s" in status.reason
    assert status.state == "failed"
    assert status.next_try is not None
    await until(lambda: supervisor.status["a"].state == "ready")
    assert (supervisor.status["a"].url, supervisor.status["a"].budget_spent) == (url, False)
    assert supervisor.status["a"].next_try is None
    await supervisor.down()


async def test_a_restart_that_fails_is_tried_again_within_the_budget(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    restart = RestartBudget(max_restarts=20, backoff=0.3, backoff_max=0.3)
    supervisor = Supervisor(stack_of(tmp_path, probe("a", port=port, restart=restart)), Subprocesses())
    await supervisor.up()
    os.kill(supervisor.status["a"].pid or 0, signal.SIGKILL)
    await until(lambda: supervisor.status["a"].state == "restarting")
    with contextlib.closing(bind("127.0.0.1", port)):
        await until(lambda: "is in use" in supervisor.status["a"].last_exit)
    await until(lambda: supervisor.status["a"].state == "ready")
    await supervisor.down()


async def test_a_child_that_ends_before_it_is_ready_is_told_with_its_log(tmp_path: Path) -> None:
    node = probe("a", port=free_ports(1)[0], exit_at_start=True)
    with pytest.raises(LaunchError, match=r"'a' ended before it was ready; see .*a\.log"):
        await Supervisor(stack_of(tmp_path, node), Subprocesses()).up()


async def test_a_child_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    node = replace(probe("a", port=free_ports(1)[0], hang=True), start_timeout=3.0)
    with pytest.raises(LaunchError, match="'a' was not ready within 3 s"):
        await Supervisor(stack_of(tmp_path, node), Subprocesses()).up()


async def test_a_child_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    node = replace(probe("a", port=free_ports(1)[0], hang_at_end=True), stop_timeout=15.0)
    supervisor = Supervisor(stack_of(tmp_path, node), Subprocesses())
    await supervisor.up()
    assert await supervisor._handles["a"].stop(seconds=0.3) == -signal.SIGKILL
    await supervisor.down()


async def test_a_child_that_is_stopped_is_woken_to_hear_that_it_is_to_end(tmp_path: Path) -> None:
    node = replace(probe("a", port=free_ports(1)[0]), stop_timeout=15.0)
    supervisor = Supervisor(stack_of(tmp_path, node), Subprocesses())
    await supervisor.up()
    os.kill(supervisor.status["a"].pid or 0, signal.SIGSTOP)
    assert await supervisor.down() == {"a": 0}


async def test_stopping_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    a, b = free_ports(2)
    supervisor = Supervisor(stack_of(tmp_path, probe("a", port=a), probe("b", "a", port=b, hang=True)), Subprocesses())
    starting = asyncio.create_task(supervisor.up())
    await until(lambda: "opening parts" in supervisor.status["b"].reason)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    for port in (a, b):
        bind("127.0.0.1", port).close()


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from hxp_services_base.orchestration import Node, Stack, Subprocesses, Supervisor, service_type
kind = service_type("probe")
node = Node("a", use="probe", make=kind, settings=kind.settings_type(), port=int(sys.argv[1]))
async def main():
    supervisor = Supervisor(Stack("s", (node,), state_dir=Path(sys.argv[2])), Subprocesses())
    await supervisor.up()
    print(supervisor.status["a"].pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_killing_the_supervisor_leaves_no_child_behind(tmp_path: Path) -> None:
    """P3."""
    command = [sys.executable, "-c", SUPERVISOR, str(free_ports(1)[0]), str(tmp_path)]
    supervisor = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    child = ProcessMark.of(int(await supervisor.stdout.readline()))
    assert child.is_alive
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: not child.is_alive)


async def test_a_child_that_hangs_while_it_ends_is_ended_although_its_parent_is_gone(
    tmp_path: Path, plugin: Path
) -> None:
    """P3: the kernel does it, so that neither a parent nor an event loop is needed."""
    with (plugin / "plugin_service.py").open("a") as file:
        file.write('\nimport sys\nvars(sys.modules["__main__"])["_END_MARGIN"] = -9.5\n')
    script = SUPERVISOR.replace("settings_type()", "settings_type(hang_at_end=True)")
    command = [sys.executable, "-c", script, str(free_ports(1)[0]), str(tmp_path)]
    supervisor = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    child = ProcessMark.of(int(await supervisor.stdout.readline()))
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: not child.is_alive)


def test_the_state_file_tells_a_living_stack_from_a_dead_one(tmp_path: Path) -> None:
    assert StackState.read(tmp_path) is None
    state = StackState(name="s", supervisor=ProcessMark.of(os.getpid()), services={"a": NodeStatus("a")})
    state.write(tmp_path)
    assert StackState.read(tmp_path) == state
    other = ProcessMark(pid=os.getpid(), started=1)  # the number was given to another process since
    state.model_copy(update={"supervisor": other}).write(tmp_path)
    assert StackState.read(tmp_path) is None
    (tmp_path / "run" / "stack.json").write_text("{torn")
    assert StackState.read(tmp_path) is None
    StackState.remove(tmp_path)
    StackState.remove(tmp_path)
