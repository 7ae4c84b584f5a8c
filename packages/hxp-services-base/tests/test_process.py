"""Child processes: what they see, what they write, and who gets a signal."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hxp_logging.testing import capture
from hxp_schemas import LoggingConfig, LogRotation
from hxp_services_base import BaseService, Identity, Settings
from hxp_services_base.orchestration import (
    Node,
    ProcessMark,
    Stack,
    StackState,
    StateDirError,
    StrangerError,
    Subprocesses,
    Supervisor,
    prepare_state_dir,
    service_type,
)
from hxp_services_base.orchestration._child import _Unfailing
from hxp_services_base.orchestration._process.environment import child_environment
from hxp_services_base.orchestration._process.output import RawOutput
from hxp_services_base.orchestration._state_file import is_supervisor
from hxp_services_base.testing import hosted
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import APIRouter

# ---- signals


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours in a folder of its own that looks like a supervisor."""
    command = [
        sys.executable,
        "-c",
        "import time; print('up', flush=True); time.sleep(60)",
        "hxp_services_base.cli",
        "up",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def state_of(pid: int, folder: Path, **changes: Any) -> StackState:
    mark = ProcessMark.of(pid).model_copy(update=changes)
    state = StackState(name="s", supervisor=mark, services={})
    (folder / ".hxp").mkdir(mode=0o700, exist_ok=True)
    state.write(folder / ".hxp")
    return state


def test_the_process_that_is_meant_gets_the_signal(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    state_of(sleeper.pid, tmp_path).signal_supervisor(signal.SIGTERM, state_dir=tmp_path / ".hxp")
    assert sleeper.wait(10) == -signal.SIGTERM


def test_a_process_that_started_at_another_time_gets_none(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """P11."""
    state = state_of(sleeper.pid, tmp_path, started=1)
    with pytest.raises(StrangerError, match="started at another time than the state file says"):
        state.signal_supervisor(signal.SIGTERM, state_dir=tmp_path / ".hxp")
    assert sleeper.poll() is None


def test_a_process_that_is_no_supervisor_gets_none(tmp_path: Path) -> None:
    """P11."""
    with pytest.raises(StrangerError, match="is no `hxp up` but"):
        state_of(os.getpid(), tmp_path).signal_supervisor(signal.SIGTERM, state_dir=tmp_path / ".hxp")


def test_a_supervisor_of_another_folder_gets_none(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(StrangerError, match="works in another folder"):
        state_of(sleeper.pid, other).signal_supervisor(signal.SIGTERM, state_dir=other / ".hxp")
    assert sleeper.poll() is None


def test_a_process_of_somebody_else_gets_none(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_of(sleeper.pid, tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StateDirError, match=r"belongs to user \d+, and you are user 12345; nothing that it says is"):
        state.signal_supervisor(signal.SIGTERM, state_dir=tmp_path / ".hxp")
    with pytest.raises(StrangerError, match=r"belongs to user \d+, not to you"):
        state.supervisor.send(signal.SIGTERM, folder=tmp_path, is_ours=is_supervisor)


@pytest.mark.parametrize("loose", [".hxp", ".hxp/run", ".hxp/run/stack.json"])
def test_a_state_that_others_can_write_is_not_believed(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, loose: str
) -> None:
    state = state_of(sleeper.pid, tmp_path)
    (tmp_path / loose).chmod(0o777)
    with pytest.raises(StateDirError, match="others can write"):
        state.signal_supervisor(signal.SIGTERM, state_dir=tmp_path / ".hxp")
    assert sleeper.poll() is None
    (tmp_path / loose).chmod(0o700)


def test_a_process_that_is_gone_is_told_apart(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    state = state_of(sleeper.pid, tmp_path)
    sleeper.kill()
    sleeper.wait()
    with pytest.raises((ProcessLookupError, StrangerError)):
        state.signal_supervisor(signal.SIGTERM, state_dir=tmp_path / ".hxp")


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (["/usr/bin/python", "/venv/bin/hxp", "up"], True),
        (["python", "-m", "hxp_services_base.cli", "up", "--set", "a=b"], True),
        (["/usr/bin/hxp", "up"], True),
        (["python", "-m", "hxp_services_base.cli", "ps"], False),
        (["vim", "up", "hxp"], False),
        ([], False),
    ],
)
def test_a_supervisor_is_known_by_its_command(command: list[str], *, ours: bool) -> None:
    assert is_supervisor(command) is ours


# ---- the state folder


def test_a_state_folder_is_its_owners_alone_and_so_is_all_in_it(tmp_path: Path) -> None:
    """A16."""
    folder = tmp_path / ".hxp"
    (folder / "log").mkdir(parents=True)
    for name in ("ledger.db", "log/a.log"):
        (folder / name).write_text("x")
        (folder / name).chmod(0o644)
    (folder / "link").symlink_to("/etc/hostname")
    folder.chmod(0o755)
    tightened = prepare_state_dir(folder)
    assert len(tightened) == 4
    modes = {path.name: path.lstat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.name != "link"}
    assert modes == {".hxp": 0o700, "log": 0o700, "ledger.db": 0o600, "a.log": 0o600}
    assert prepare_state_dir(folder) == []


def test_a_state_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StateDirError, match="give the stack a state folder of its own"):
        prepare_state_dir(tmp_path / ".hxp")


def test_a_state_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".hxp").touch()
    with pytest.raises(StateDirError, match="is a file"):
        prepare_state_dir(tmp_path / ".hxp")
    with pytest.raises(StateDirError, match="cannot be written"):
        prepare_state_dir(tmp_path / ".hxp" / "further")


# ---- the environment


def test_a_service_sees_what_any_program_needs_and_what_it_names() -> None:
    environ = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "2",
        "COVERAGE_PROCESS_START": "x",
        "AWS_SECRET_ACCESS_KEY": "s",
        "HXP_API_KEY": "s",
        "HXP__SERVICES__LEDGER__CONFIG__URL": "s",
        "UV_INDEX_INTERNAL_PASSWORD": "s",
        "PGPASSWORD": "s",
        "VLLM_PORT": "1",
    }
    assert sorted(child_environment(environ=environ)) == ["COVERAGE_PROCESS_START", "LC_ALL", "OMP_NUM_THREADS", "PATH"]
    assert {"PGPASSWORD", "VLLM_PORT"} <= set(child_environment(["PGPASSWORD", "VLLM_*"], environ=environ))


async def run_probe(tmp_path: Path, **how: Any) -> tuple[Supervisor, str]:
    kind: Any = service_type("probe")
    node = Node("a", use="probe", make=kind, settings=kind.settings_type(), port=free_ports(1)[0], **how)
    logging = LoggingConfig(rotation=LogRotation(size=8192, keep=2))
    supervisor = Supervisor(Stack("s", (node,), state_dir=tmp_path / ".hxp", logging=logging), Subprocesses())
    await supervisor.up()
    return supervisor, supervisor.status["a"].url


async def get(url: str) -> str:
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        return await response.text()


@pytest.mark.anyio
@pytest.mark.usefixtures("plugin")
async def test_a_secret_of_the_caller_does_not_reach_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("PROBE_SETTING", "1")
    supervisor, url = await run_probe(tmp_path, environment=("PROBE_*",))
    seen = (await get(url + "/environment")).splitlines()
    await supervisor.down()
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert {"PROBE_SETTING", "PATH"} <= set(seen)


# ---- what it writes


@pytest.mark.anyio
@pytest.mark.usefixtures("plugin")
async def test_all_that_a_service_writes_is_rotated_bounded_and_its_owners_alone(tmp_path: Path) -> None:
    """D6, A16."""
    supervisor, url = await run_probe(tmp_path)
    for _ in range(60):
        await get(url)
    await get(url + "/print?100")
    supervisor._handles["a"].tidy()
    await supervisor.down()
    folder = tmp_path / ".hxp" / "log"
    names = {file.name for file in folder.iterdir()}
    assert {"a.log", "a.out", "a.out.000001"} <= names
    assert [name for name in names if name.startswith("a.log.")]
    assert len([name for name in names if name.startswith("a.log.")]) <= 3  # the third goes when it is compressed
    assert (folder / "a.out").stat().st_size <= 8192
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / ".hxp").rglob("*"))
    assert '"state changed"' in (folder / "a.log").read_text()


def test_raw_output_keeps_its_newest_half_and_its_last_words(tmp_path: Path) -> None:
    output = RawOutput(tmp_path / "log" / "a.out", limit=1000)
    assert (output.size(), output.last_words()) == (0, "")
    child = output.open()
    for number in range(100):
        os.write(child, b"line %04d ........\n" % number)
    assert output.last_words() == "line 0099 ........"
    output.trim()
    os.write(child, b"and on\n")
    os.close(child)
    assert output.path.read_text() == "and on\n"
    aside = (tmp_path / "log" / "a.out.000001").read_text().splitlines()
    assert aside[-1] == "line 0099 ........"
    assert 20 <= len(aside) <= 28
    assert output.last_words(since=output.size()) == ""


def test_raw_output_that_cannot_be_put_aside_is_emptied_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = RawOutput(tmp_path / "a.out", limit=10)
    child = output.open()
    os.write(child, b"x" * 100)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    output.trim()
    os.close(child)
    assert [file.name for file in tmp_path.iterdir()] == ["a.out"]
    assert output.size() == 0


def test_what_a_library_prints_on_a_full_disk_ends_nobody() -> None:
    stream = _Unfailing(io.TextIOWrapper(io.BufferedWriter(Full()), line_buffering=True))
    assert stream.write("a line\n") == 7
    stream.flush()
    assert stream.line_buffering


class Full(io.RawIOBase):
    """A file on a disk without room."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


# ---- idle stacks are silent


class Snapshots(BaseService[Settings]):
    """Answers what other services of its stack ask every second."""

    lame_duck = 0.0

    def routes(self, router: APIRouter) -> None:
        @router.get("/v1/snapshot")
        async def snapshot() -> int:
            return 1

        @router.post("/v1/work")
        async def work() -> int:
            return 1


@pytest.mark.anyio
async def test_a_look_of_the_stack_itself_is_no_news_unless_it_fails(tmp_path: Path) -> None:
    identity = Identity("s", instance="s-0", state_dir=tmp_path, token="stack-token-of-a-test")
    with capture() as lines:
        async with hosted(Snapshots(), identity=identity) as running:
            for method, path in (("GET", "/v1/snapshot"), ("POST", "/v1/work"), ("GET", "/v1/absent")):
                async with running.client.request(method, path) as response:
                    await response.read()
    told = [line for line in lines if line["body"] == "request"]
    assert [(line["severity_text"], line["attributes"]["path"]) for line in told] == [
        ("DEBUG", "/v1/snapshot"),
        ("INFO", "/v1/work"),
        ("INFO", "/v1/absent"),
    ]


def test_a_process_that_cannot_be_looked_at_gets_no_signal(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = ProcessMark.of(sleeper.pid)
    with pytest.raises(ProcessLookupError):
        ProcessMark(pid=2**22 - 1, started=1).send(signal.SIGTERM, folder=tmp_path, is_ours=is_supervisor)
    assert not ProcessMark(pid=2**22 - 1, started=1).is_stopped
    proc = tmp_path / "proc"
    (proc / str(sleeper.pid)).mkdir(parents=True)
    monkeypatch.setattr("hxp_services_base.orchestration._process.mark._PROC", proc)
    with pytest.raises(ProcessLookupError):  # it ends between two looks
        mark.send(signal.SIGTERM, folder=tmp_path, is_ours=is_supervisor)
    shutil.copy(f"/proc/{sleeper.pid}/stat", proc / str(sleeper.pid))
    with pytest.raises(ProcessLookupError):
        mark.send(signal.SIGTERM, folder=tmp_path, is_ours=is_supervisor)
    (proc / str(sleeper.pid) / "cmdline").mkdir()
    with pytest.raises(StrangerError, match="cannot be looked at"):
        mark.send(signal.SIGTERM, folder=tmp_path, is_ours=is_supervisor)
    assert sleeper.poll() is None


def test_sockets_in_a_state_folder_are_closed_to_others_too(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        (tmp_path / "s").chmod(0o777)
        prepare_state_dir(tmp_path)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


def test_a_state_that_is_not_there_is_not_believed(tmp_path: Path) -> None:
    state = StackState(name="s", supervisor=ProcessMark.of(os.getpid()), services={})
    with pytest.raises(StateDirError, match="cannot be looked at"):
        state.signal_supervisor(signal.SIGTERM, state_dir=tmp_path / "absent")
