"""What keeps services alive outlives whatever fails beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hxp_logging.testing import capture
from hxp_schemas.deployment import RestartBudget, Watch
from hxp_services_base import BaseService, Settings, State
from hxp_services_base.orchestration import (
    InProcess,
    LaunchError,
    Node,
    NodeStatus,
    ProcessMark,
    Stack,
    StackState,
    StateKeeper,
    Status,
    Subprocesses,
    Supervisor,
    service_type,
)
from hxp_services_base.orchestration._order import Report
from hxp_services_base.orchestration._process.reports import Reporter, read_reports
from hxp_services_base.orchestration._restarts import Pause
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from hxp_services_base.orchestration import Launch

pytestmark = pytest.mark.anyio

BUDGET = RestartBudget(max_restarts=2, window=60.0, backoff=0.01, backoff_max=0.02, retry=600.0)


class FakeHandle:
    """A service that runs until a test ends it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.probe_url = ""
        self.pid: int | None = None
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ended(self) -> str:
        return await asyncio.shield(self.gone)

    async def stop(self, *, seconds: float) -> int:
        return 0

    async def end(self, *, seconds: float) -> None:
        self.gone.set_result("killed by SIGKILL")

    def tidy(self) -> None:
        raise RuntimeError("nothing to tidy")


class FakeRunner:
    """Launches at once, and fails where a test says so."""

    def __init__(self) -> None:
        self.handles: dict[str, FakeHandle] = {}
        self.failures: dict[str, list[Exception]] = {}
        self.launched: list[tuple[str, int]] = []
        self.launches: dict[str, Launch] = {}

    async def launch(self, node: Node, launch: Launch) -> FakeHandle:
        self.launched.append((node.name, node.port))
        self.launches[node.name] = launch
        if left := self.failures.get(node.name):
            raise left.pop(0)
        self.handles[node.name] = FakeHandle(f"http://127.0.0.1:{node.port or 4000}")
        return self.handles[node.name]

    def kill(self, name: str) -> None:
        self.handles[name].gone.set_result("killed by SIGKILL")


def node(name: str, *needs: str, port: int = 0, restart: RestartBudget = BUDGET) -> Node:
    return Node(name, use="probe", make=BaseService, settings=Settings(), port=port, needs=needs, restart=restart)


async def started(*nodes: Node, **how: Any) -> tuple[Supervisor, FakeRunner]:
    runner = FakeRunner()
    supervisor = Supervisor(Stack("s", nodes, state_dir=Path("nowhere")), runner, **how)
    await supervisor.up()
    return supervisor, runner


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def test_who_fails_to_be_told_of_a_change_keeps_nothing_from_being_restarted() -> None:
    """D5: the state file failed in the very task that restarts."""
    told: list[str] = []

    def on_change(status: NodeStatus) -> None:
        raise OSError(28, "No space left on device")

    supervisor, runner = await started(node("a"), on_change=on_change, tell=told.append)
    runner.kill("a")
    await until(lambda: supervisor.status["a"].restarts == 1 and supervisor.status["a"].state == "ready")
    assert len(told) == 1
    assert "No space left on device" in told[0]
    await supervisor.down()


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), MemoryError(), ValueError("odd"), LaunchError("no")]
)
async def test_a_launch_that_fails_for_whatever_reason_is_tried_again(error: Exception) -> None:
    supervisor, runner = await started(node("a"), tell=lambda _: 1 / 0)
    runner.failures["a"] = [error]
    runner.kill("a")
    await until(lambda: supervisor.status["a"].restarts == 2 and supervisor.status["a"].state == "ready")
    await supervisor.down()


async def test_a_first_start_that_fails_is_told_in_a_sentence() -> None:
    runner = FakeRunner()
    runner.failures["a"] = [OSError(24, "Too many open files")]
    supervisor = Supervisor(Stack("s", (node("a"),), state_dir=Path("nowhere")), runner)
    with pytest.raises(LaunchError, match="'a' cannot be launched: Too many open files"):
        await supervisor.up()


async def test_a_keeper_that_fails_by_itself_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("hxp_services_base.orchestration._supervisor._AFTER_TROUBLE", 0.01)
    supervisor, runner = await started(node("a"), tell=told.append)
    real = supervisor._tell_pause
    failures = [RuntimeError("a mistake of ours")]

    def failing(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        real(*arguments)

    monkeypatch.setattr(supervisor, "_tell_pause", failing)
    runner.kill("a")
    await until(lambda: supervisor.status["a"].restarts == 1 and supervisor.status["a"].state == "ready")
    assert "the keeper of 'a' failed and goes on: RuntimeError('a mistake of ours')" in told
    await supervisor.down()


async def test_what_depends_on_a_dead_service_degrades_and_the_rest_serves() -> None:
    changes: list[NodeStatus] = []
    nodes = node("store"), node("door", "store"), node("other")
    supervisor, runner = await started(*nodes, on_change=changes.append)
    runner.failures["store"] = [LaunchError("no")] * 2
    runner.kill("store")
    await until(lambda: supervisor.status["store"].budget_spent)
    status = supervisor.status
    assert status["store"].state == "failed"
    assert "'store' no, after 2 restarts; its restart budget is spent; next try in 600 s" in status["store"].reason
    assert (status["door"].state, status["door"].reason) == ("degraded", "needs 'store', which is failed")
    assert status["other"].state == "ready"
    assert {change.name for change in changes if change.state == "degraded"} == {"door"}
    await supervisor.down()


async def test_a_dependent_is_ready_again_when_its_need_is_back_at_the_same_address() -> None:
    supervisor, runner = await started(node("store"), node("door", "store"))
    before = supervisor.status["store"].url
    runner.kill("store")
    await until(lambda: supervisor.status["door"].state == "degraded")
    await until(lambda: supervisor.status["door"].state == "ready")
    assert supervisor.status["store"].url == before
    assert runner.launched[-1] == ("store", 4000)  # a port that was free is kept, since others know it
    await supervisor.down()


async def test_a_start_without_what_it_needs_waits_for_that_and_spends_no_budget() -> None:
    slow = RestartBudget(max_restarts=1, window=60.0, backoff=0.3, backoff_max=0.3, retry=600.0)
    supervisor, runner = await started(node("store", restart=slow), node("door", "store"))
    runner.failures["door"] = [LaunchError("no store")] * 3
    runner.kill("store")
    runner.kill("door")
    await until(lambda: "waits for 'store'" in supervisor.status["door"].reason)
    await until(lambda: supervisor.status["store"].state == "ready")
    runner.failures["door"] = []
    await until(lambda: supervisor.status["door"].state == "ready")
    assert not supervisor.status["door"].budget_spent
    await supervisor.down()


async def test_a_long_wait_ends_when_what_was_missing_is_back() -> None:
    supervisor, runner = await started(node("store", restart=BUDGET), node("door", "store"))
    runner.failures["door"] = [LaunchError("odd")] * 2
    runner.kill("door")
    await until(lambda: supervisor.status["door"].budget_spent)
    slow = asyncio.create_task(supervisor._wait(supervisor._stack.node("door"), Pause(600.0, spent=True, restarts=2)))
    await asyncio.sleep(0)
    assert not slow.done()  # nothing is missing, so it is the whole time
    slow.cancel()
    runner.kill("store")
    await until(lambda: supervisor._board.away("door"))
    quick = asyncio.create_task(supervisor._wait(supervisor._stack.node("door"), Pause(600.0, spent=True, restarts=2)))
    await asyncio.wait_for(quick, 10)
    assert supervisor.status["store"].state == "ready"
    await supervisor.down()


async def test_a_service_says_that_it_is_degraded_for_itself() -> None:
    supervisor, runner = await started(node("a"))
    runner.launches["a"].on_status(Status(State.DEGRADED, "mood: bad"))
    assert supervisor.status["a"].reason == "mood: bad"
    runner.launches["a"].on_status(Status(State.READY, "all health checks pass"))
    assert (supervisor.status["a"].state, supervisor.status["a"].reason) == ("ready", "")
    await supervisor.down()


# ---- the state file


class Disk:
    """Writes, and fails where it is told to."""

    def __init__(self, *failing: int) -> None:
        self.failing = set(failing)
        self.writes = 0
        self.content = 0
        self.wanted = 0

    def write(self) -> None:
        self.writes += 1
        if self.writes in self.failing:
            raise OSError(28, "No space left on device")
        self.content = self.wanted


@pytest.mark.parametrize("nth", range(1, 8))
async def test_whichever_write_of_the_state_fails_it_is_told_once_tried_again_and_healed(nth: int) -> None:
    """D3, D5."""
    told: list[str] = []
    disk = Disk(nth, nth + 1)
    keeper = StateKeeper(disk.write, tell=told.append, retry=0.001)
    running = asyncio.create_task(keeper.run())
    for disk.wanted in range(1, 8):
        keeper.changed()
    await until(lambda: disk.content == 7 and len(told) == 2)
    assert "cannot be written (No space left on device)" in told[0]
    assert told[1] == "the state file is written again"
    running.cancel()


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


async def test_a_state_that_cannot_be_written_leaves_nothing_behind_and_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StackState(name="s", supervisor=ProcessMark.of(os.getpid()), services={"a": NodeStatus("a")})
    state.write(tmp_path)
    monkeypatch.setattr(Path, "replace", full)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        state.model_copy(update={"name": "t"}).write(tmp_path)
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["stack.json"]
    assert StackState.read(tmp_path) == state


async def test_without_room_the_state_is_overwritten_in_place_and_reasons_are_cut_to_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D5: `hxp ps` told an old state for as long as the disk was full."""
    nodes = {f"n{number}": NodeStatus(f"n{number}") for number in range(20)}
    state = StackState(name="s", supervisor=ProcessMark.of(os.getpid()), services=nodes)
    state.write(tmp_path)
    size = (tmp_path / "run" / "stack.json").stat().st_size
    monkeypatch.setattr(Path, "replace", full)
    for length, told in ((0, 0), (1000, 200)):
        nodes = {name: NodeStatus(name, state="failed", reason="x" * length) for name in nodes}
        state.model_copy(update={"services": nodes}).write(tmp_path)
        found = StackState.read(tmp_path)
        assert found is not None
        assert {(node.state, len(node.reason)) for node in found.services.values()} == {("failed", told)}
    assert (tmp_path / "run" / "stack.json").stat().st_size == size
    many = {f"n{number}": NodeStatus(f"n{number}") for number in range(200)}
    with pytest.raises(OSError, match="No space"):
        state.model_copy(update={"services": many}).write(tmp_path)


async def test_a_keeper_confirms_what_still_holds(tmp_path: Path) -> None:
    assert StackState.age(tmp_path) == float("inf")
    state = StackState(name="s", supervisor=ProcessMark.of(os.getpid()), services={})
    state.write(tmp_path)
    os.utime(tmp_path / "run" / "stack.json", (0, 0))
    assert StackState.age(tmp_path) > 1e6
    told: list[str] = []
    keeper = StateKeeper(
        lambda: state.write(tmp_path), tell=told.append, beat=lambda: StackState.beat(tmp_path), retry=0.01
    )
    running = asyncio.create_task(keeper.run())
    await until(lambda: StackState.age(tmp_path) < 60)
    StackState.remove(tmp_path)
    await until(lambda: StackState.read(tmp_path) == state)  # a beat that fails is a write that is due
    await until(lambda: told[1:] == ["the state file is written again"])
    running.cancel()


def calls_to_write(monkeypatch: pytest.MonkeyPatch, *, fail: int = 0) -> list[str]:
    """Count what a write of the state asks of the system; the `fail`-th asks in vain."""
    calls: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            if len(calls) == fail:
                raise OSError(28, "No space left on device")
            return real(*arguments, **named)

        return call

    for name in ("mkdir", "replace"):
        monkeypatch.setattr(Path, name, counted(name, getattr(Path, name)))
    monkeypatch.setattr(tempfile, "mkstemp", counted("mkstemp", tempfile.mkstemp))
    monkeypatch.setattr(os, "fdopen", counted("fdopen", os.fdopen))
    return calls


def test_whichever_step_of_a_write_fails_the_old_state_stays_and_nothing_beside_it(tmp_path: Path) -> None:
    """D3."""
    state = StackState(name="s", supervisor=ProcessMark.of(os.getpid()), services={"a": NodeStatus("a")})
    state.write(tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        calls = calls_to_write(patched)
        state.write(tmp_path)
    assert calls == ["mkdir", "mkstemp", "fdopen", "replace"]
    for step in range(1, len(calls) + 1):
        with pytest.MonkeyPatch.context() as patched:
            calls_to_write(patched, fail=step)
            patched.setattr(os, "pwrite", full)
            with pytest.raises(OSError, match="No space"):
                state.model_copy(update={"name": "t"}).write(tmp_path)
        assert [file.name for file in (tmp_path / "run").iterdir()] == ["stack.json"]
        assert StackState.read(tmp_path) == state


# ---- reports


async def reported(*lines: bytes) -> tuple[list[Report], list[str]]:
    """What the parent makes of lines on the pipe."""
    ours, theirs = os.pipe()
    found: list[Report] = []
    told: list[str] = []

    def on_report(report: Report) -> None:
        if report.reason == "refuse":
            raise ValueError("refused, as told")
        found.append(report)

    reading = asyncio.create_task(read_reports(ours, on_report=on_report, tell=told.append))
    for line in lines:
        await asyncio.to_thread(os.write, theirs, line)
    os.close(theirs)
    await reading
    return found, told


async def test_a_report_that_cannot_be_read_costs_itself_alone() -> None:
    good = Report(state="ready", url="http://127.0.0.1:1").model_dump_json().encode() + b"\n"
    refused = Report(state="ready", reason="refuse").model_dump_json().encode() + b"\n"
    found, told = await reported(b"\xff\n{}\n", refused, good[:10], good[10:], b"x" * 200_000, b"\n", good, b"half")
    assert [report.url for report in found] == ["http://127.0.0.1:1", "http://127.0.0.1:1"]
    assert len(told) == 6
    assert any("refused, as told" in sentence for sentence in told)
    assert any("without an end" in sentence for sentence in told)


async def test_a_parent_that_does_not_read_never_stops_its_child() -> None:
    ours, theirs = os.pipe()
    reporter = Reporter(theirs)
    for number in range(3000):
        reporter.send(Report(state="ready", reason=f"{number} " + "x" * 5000))
    with os.fdopen(ours, "rb") as reader:
        os.set_blocking(ours, False)
        before = [Report.model_validate_json(line) for line in (reader.read() or b"").splitlines()]
        reporter.send(Report(state="degraded", reason="last"))
        after = [Report.model_validate_json(line) for line in (reader.read() or b"").splitlines()]
    assert before[0].reason.startswith("0 ")
    assert [report.reason.split()[0] for report in after] == ["2999", "last"]  # the newest that had to wait, and this
    reporter.send(Report(state="stopped"))  # nobody is left to read it
    os.close(theirs)


# ---- real processes

QUICK = Watch(period=0.1, timeout=0.3, silent=1.0, busy=20.0, grace=1.0)


@pytest.mark.usefixtures("plugin")
async def test_a_service_that_hangs_is_told_and_replaced_and_a_short_pause_is_not(tmp_path: Path) -> None:
    """P9."""
    kind: Any = service_type("probe")
    port = free_ports(1)[0]
    probe = Node("a", use="probe", make=kind, settings=kind.settings_type(), port=port, restart=BUDGET, watch=QUICK)
    told: list[NodeStatus] = []
    supervisor = Supervisor(Stack("s", (probe,), state_dir=tmp_path / ".hxp"), Subprocesses(), on_change=told.append)
    await supervisor.up()
    first = supervisor.status["a"].pid or 0
    os.kill(first, signal.SIGSTOP)
    await until(lambda: supervisor.status["a"].state == "unresponsive")
    os.kill(first, signal.SIGCONT)
    await until(lambda: supervisor.status["a"].state == "ready")
    assert supervisor.status["a"].pid == first
    os.kill(first, signal.SIGSTOP)
    await until(lambda: supervisor.status["a"].restarts == 1 and supervisor.status["a"].state == "ready", 30)
    assert supervisor.status["a"].pid != first
    assert "no answer to /livez for" in supervisor.status["a"].last_exit
    assert any("it is being replaced" in status.reason for status in told)
    await supervisor.down()


@pytest.mark.usefixtures("plugin")
async def test_a_service_runs_although_what_it_prints_has_nowhere_to_go(tmp_path: Path) -> None:
    kind: Any = service_type("probe")
    probe = Node("a", use="probe", make=kind, settings=kind.settings_type(), port=free_ports(1)[0])
    (tmp_path / "log" / "a.out").mkdir(parents=True)
    told: list[str] = []
    supervisor = Supervisor(Stack("s", (probe,), state_dir=tmp_path), Subprocesses(), tell=told.append)
    await supervisor.up()
    assert "what 'a' writes past its log is lost" in told[0]
    await supervisor.down()


@pytest.mark.usefixtures("plugin")
async def test_a_service_that_cannot_start_for_an_odd_reason_says_which(tmp_path: Path) -> None:
    kind: Any = service_type("probe")
    probe = Node("a", use="probe", make=kind, settings=kind.settings_type(), port=4000, host="203.0.113.1")
    supervisor = Supervisor(Stack("s", (probe,), state_dir=tmp_path), Subprocesses())
    with pytest.raises(LaunchError, match=r"'a' cannot start: OSError: .*Cannot assign requested address"):
        await supervisor.up()


async def test_a_watch_that_fails_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    failures = [RuntimeError("a mistake of ours")]
    monkeypatch.setattr("hxp_services_base.orchestration._supervisor._AFTER_TROUBLE", 0.01)

    async def until_hung(*_: object) -> str:
        if failures:
            raise failures.pop()
        return "no progress"

    monkeypatch.setattr("hxp_services_base.orchestration._supervisor.Watcher.until_hung", until_hung)
    supervisor, _ = await started(node("a"), tell=told.append)
    await until(lambda: supervisor.status["a"].restarts >= 1)
    assert "the watch of 'a' failed and begins anew: RuntimeError('a mistake of ours')" in told
    assert supervisor.status["a"].last_exit == "no progress; killed by SIGKILL"
    await supervisor.down()


async def test_what_nobody_is_told_of_is_logged() -> None:
    with capture() as lines:
        supervisor, runner = await started(node("a"))
        runner.launches["a"].tell("something is amiss")
        await supervisor.down()
    assert any("something is amiss" in str(line) for line in lines)


async def test_a_service_in_this_process_ends_when_it_is_to(tmp_path: Path) -> None:
    here = node("a")
    supervisor = Supervisor(Stack("s", (here,), state_dir=tmp_path), InProcess())
    await supervisor.up()
    handle = supervisor._handles["a"]
    handle.tidy()
    assert handle.probe_url == ""
    await handle.end(seconds=5.0)
    await until(lambda: supervisor.status["a"].restarts == 1 and supervisor.status["a"].state == "ready")
    await supervisor.down()
