"""Services that a killed supervisor left behind: recognised, ended, and nobody else's process with them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from hxp_services_base.cli._app import build
from hxp_services_base.orchestration import NodeStatus, ProcessMark, StackState
from hxp_services_base.orchestration._leftovers import end_leftovers, find_leftovers, is_service
from hxp_services_base.testing import DetachedStack
from hxp_testing.net import free_ports
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typer.testing import Result

GONE = ProcessMark(pid=2**22 - 1, started=1)
CHILD = [sys.executable, "-m", "hxp_services_base.orchestration._child", "9"]


def hxp(*arguments: str) -> Result:
    return CliRunner().invoke(build(), list(arguments))


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Runs commands in the folder of the test, and ends what is left of them."""
    running: list[subprocess.Popen[bytes]] = []

    def run(*command: str, cwd: Path = tmp_path) -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def left(folder: Path, process: subprocess.Popen[bytes], **changes: Any) -> Path:
    """A state file of a supervisor that is gone, with one service that lives."""
    mark = ProcessMark.of(process.pid)
    node = NodeStatus("a", **{"state": "ready", "pid": mark.pid, "started": mark.started, **changes})
    state_dir = folder / ".hxp"
    state_dir.mkdir(mode=0o700, exist_ok=True)
    StackState(name="s", supervisor=GONE, services={"a": node}).write(state_dir)
    return state_dir


def test_a_stopped_service_without_a_supervisor_is_found_woken_and_ended(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]
) -> None:
    child = spawn(*CHILD)  # it waits for its order
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    state_dir = left(tmp_path, child)
    (found,) = find_leftovers(state_dir)
    assert str(found) == f"'a' (process {child.pid}, which is stopped)"
    assert end_leftovers([found], state_dir, seconds=10) == {}
    assert child.wait(1) == -signal.SIGTERM


def test_one_that_does_not_drain_is_killed(tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]) -> None:
    script = "import signal, sys; signal.signal(15, signal.SIG_IGN); print(flush=True); sys.stdin.read()"
    package = tmp_path / "hxp_services_base" / "orchestration"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "_child.py").write_text(f"import os; os.close(1); os.open({str(tmp_path / 'up')!r}, 65)\n{script}")
    child = spawn(*CHILD)
    until(lambda: (tmp_path / "up").exists() and (tmp_path / "up").stat().st_size)
    state_dir = left(tmp_path, child)
    assert end_leftovers(find_leftovers(state_dir), state_dir, seconds=0.1) == {}
    assert child.wait(1) == -signal.SIGKILL


def test_a_process_that_is_no_service_of_this_folder_is_left_alone(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """P11."""
    other = tmp_path / "other"
    other.mkdir()
    for process, why in (
        (spawn("sleep", "60"), "is no service of `hxp up` but 'sleep 60'"),
        (spawn(*CHILD, cwd=other), "works in another folder"),
    ):
        state_dir = left(tmp_path, process)
        kept = end_leftovers(find_leftovers(state_dir), state_dir, seconds=0.1)
        assert [why in reason for reason in kept.values()] == [True]
        assert process.poll() is None


def test_what_is_no_leftover_is_not_found(tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = spawn(*CHILD)
    assert find_leftovers(tmp_path / "absent") == ()
    for changes in ({"started": 1}, {"started": None}, {"pid": None}, {"pid": -1}):
        assert find_leftovers(left(tmp_path, process, **changes)) == ()
    living = StackState(name="s", supervisor=ProcessMark.of(os.getpid()), services={})
    living.write(tmp_path / ".hxp")
    assert find_leftovers(tmp_path / ".hxp") == ()


def test_a_state_that_others_can_write_ends_nobody(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = spawn(*CHILD)
    state_dir = left(tmp_path, process)
    state_dir.chmod(0o777)
    kept = end_leftovers(find_leftovers(state_dir), state_dir, seconds=0.1)
    assert ["others can write" in reason for reason in kept.values()] == [True]
    assert process.poll() is None


def test_a_service_is_known_by_its_command() -> None:
    assert is_service(CHILD)
    assert not is_service(["python", "-m", "hxp_services_base.cli", "up"])
    assert not is_service([])


@pytest.mark.usefixtures("plugin")
def test_commands_tell_what_is_left_and_refuse_what_they_cannot_end(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hxp.yaml").write_text(f"services:\n  a: {{use: probe, port: {free_ports(1)[0]}}}\n")
    process = spawn("sleep", "60")
    left(tmp_path, process)
    shown = hxp("ps")
    assert shown.exit_code == 3
    assert f"no supervisor runs here, and it left 'a' (process {process.pid})" in shown.output
    ended = hxp("down")
    assert ended.exit_code == 1
    assert "live on:\n  'a'" in ended.output
    assert "`hxp up` ends that first" in hxp("doctor").output


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("command", ["up", "down"])
def test_a_stack_recovers_although_a_stopped_service_outlived_its_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """P3: it held its ports, and no command knew it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hxp.yaml").write_text(f"services:\n  a: {{use: probe, port: {free_ports(1)[0]}}}\n")
    stack = DetachedStack(tmp_path)
    stack.hxp("up", "--detach")
    before = ProcessMark.of(stack.pid("a"))
    os.kill(before.pid, signal.SIGSTOP)
    supervisor = ProcessMark.of(stack.state["supervisor"]["pid"])
    os.kill(supervisor.pid, signal.SIGKILL)
    try:
        until(lambda: not supervisor.is_alive)
        assert before.is_alive
        told = stack.hxp(*(["up", "--detach"] if command == "up" else ["down"])).stdout
        assert f"left behind: 'a' (process {before.pid}" in told
        assert not before.is_alive
        assert stack.hxp("ps", check=False).returncode == (0 if command == "up" else 3)
    finally:
        stack.hxp("down", check=False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(before.pid, signal.SIGKILL)
