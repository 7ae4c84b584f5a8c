"""B, a hung service is replaced, and a slow machine is not a hung service: real processes, stopped and starved."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hxp_schemas.deployment import Watch
from hxp_services_base.orchestration import Node, Stack, Subprocesses, Supervisor, service_type
from hxp_services_base.testing import detached_stack
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PLUGIN = Path(__file__).parents[2] / "packages" / "hxp-services-base" / "tests" / "plugin_service.py"
HXP_YAML = """
services:
  ledger: {{use: hxp-ledger, port: {0}, config: {{url: "sqlite:///.hxp/ledger.db"}}}}
  tiny: {{use: hxp-model, port: {1}}}
  gateway:
    use: hxp-gateway
    port: {2}
    needs: [ledger, tiny]
    config: {{upstreams: [{{name: tiny, service: tiny, models: [hxp-tiny]}}]}}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs the probe service for this process and its children."""
    metadata = tmp_path / "plugin" / "plugin_service-1.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(PLUGIN, metadata.parent)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-service\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[hxp.services]\nprobe = plugin_service:ProbeService\n")
    monkeypatch.syspath_prepend(str(metadata.parent))
    monkeypatch.setenv("PYTHONPATH", str(metadata.parent))


def wait_for(condition: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s"
        time.sleep(0.1)
    return time.monotonic() - began


def test_whichever_service_is_stopped_is_told_and_launched_again_within_15_seconds(tmp_path: Path) -> None:
    """P9."""
    (tmp_path / "hxp.yaml").write_text(HXP_YAML.format(*free_ports(3)))
    with detached_stack(tmp_path) as stack:
        for name in ("ledger", "tiny", "gateway"):
            before = stack.pid(name)
            os.kill(before, signal.SIGSTOP)

            def shown(what: str, name: str = name) -> Any:
                return stack.state["services"][name][what]

            told = wait_for(lambda: shown("state") == "unresponsive", 6)
            launched = told + wait_for(lambda: shown("restarts") == 1, 15 - told)
            assert launched < 15
            wait_for(lambda: shown("state") == "ready", 60)
            assert "no answer to /livez" in shown("last_exit")
            assert stack.pid(name) != before
        wait_for(lambda: all(node["state"] == "ready" for node in stack.state["services"].values()), 30)
        assert "HXP" in stack.hxp("chat", "What is HXP?").stdout


def test_a_model_that_keeps_dying_leaves_the_rest_serving_and_comes_back_by_itself(tmp_path: Path) -> None:
    """One spent restart budget ended the whole stack."""
    dying = "tiny: {{use: hxp-model, restart: {{max_restarts: 1, backoff: 0.1, retry: 10, retry_max: 10}},"
    (tmp_path / "hxp.yaml").write_text(HXP_YAML.replace("tiny: {{use: hxp-model,", dying, 1).format(*free_ports(3)))
    with detached_stack(tmp_path) as stack:
        for restarts in (1, 2):
            os.kill(stack.pid("tiny"), signal.SIGKILL)
            if restarts == 1:
                wait_for(lambda: stack.state["services"]["tiny"]["restarts"] == 1, 10)
                wait_for(lambda: stack.state["services"]["tiny"]["state"] == "ready", 30)
        wait_for(lambda: stack.state["services"]["tiny"]["budget_spent"], 10)
        services = stack.state["services"]
        assert services["tiny"]["state"] == "failed"
        assert "its restart budget is spent; next try in 10 s" in services["tiny"]["reason"]
        assert services["tiny"]["next_try"] > time.time() - 1
        assert services["gateway"]["state"] == "degraded"
        assert services["ledger"]["state"] == "ready"
        assert "next try in 10 s (now: in" in " ".join(stack.hxp("ps").stdout.split())
        refused = stack.hxp("chat", "What is HXP?", "-m", "hxp-tiny", check=False)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        wait_for(lambda: stack.state["services"]["tiny"]["state"] == "ready", 40)
        wait_for(lambda: "HXP" in stack.hxp("chat", "What is HXP?", "-m", "hxp-tiny", check=False).stdout, 40)


@contextlib.contextmanager
def busy_machine(count: int) -> Iterator[None]:
    """Every processor has more to do than it can."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


async def started(tmp_path: Path, watch: Watch) -> Supervisor:
    kind: Any = service_type("probe")
    node = Node("a", use="probe", make=kind, settings=kind.settings_type(), port=free_ports(1)[0], watch=watch)
    supervisor = Supervisor(Stack("s", (node,), state_dir=tmp_path / ".hxp"), Subprocesses())
    await supervisor.up()
    return supervisor


async def seen(supervisor: Supervisor, seconds: float) -> set[str]:
    """The states of the service within so many seconds."""
    states = set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                states.add(supervisor.status["a"].state)
                await asyncio.sleep(0.05)
    return states


@pytest.mark.usefixtures("plugin")
async def test_a_service_that_gets_no_processor_for_longer_than_the_limit_is_not_replaced(tmp_path: Path) -> None:
    """P9: it runs only when nobody else wants to, and everybody else wants to."""
    supervisor = await started(tmp_path, Watch(period=0.2, timeout=0.2, silent=1.0, busy=120.0))
    pid = supervisor.status["a"].pid or 0
    for task in (Path("/proc") / str(pid) / "task").iterdir():
        os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))
    with busy_machine(3 * (os.cpu_count() or 1)):
        states = await seen(supervisor, 15)
    assert supervisor.status["a"].restarts == 0
    assert states <= {"ready", "unresponsive"}
    async with asyncio.timeout(30):
        while supervisor.status["a"].state != "ready":
            await asyncio.sleep(0.05)
    assert supervisor.status["a"].pid == pid
    assert all(status == 0 for status in (await supervisor.down()).values())


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("path", "replaced"), [("/block?8", False), ("/block?60", True), ("/spin?14", False)], ids=["under", "over", "busy"]
)
async def test_an_event_loop_that_is_blocked_is_replaced_after_the_limit_and_not_before(
    tmp_path: Path, path: str, *, replaced: bool
) -> None:
    """The numbers are the defaults: 5 s until the loop itself is told to stand, 5 s in silence, 30 s at work."""
    supervisor = await started(tmp_path, Watch())
    pid = supervisor.status["a"].pid
    async with aiohttp.ClientSession() as client:
        asking = asyncio.create_task(client.get(supervisor.status["a"].url + path))
        states = await seen(supervisor, 16)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert "unresponsive" in states
    assert (supervisor.status["a"].restarts, supervisor.status["a"].pid == pid) == (int(replaced), not replaced)
    await supervisor.down()
