"""B, a disk that fails: the stack goes on, and what could not be written is written when there is room again."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hxp_services_base.testing import DetachedStack, detached_stack
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parents[2] / "packages" / "hxp-services-base" / "tests" / "plugin_service.py"
HXP = [sys.executable, "-m", "hxp_services_base.cli"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stack of two probe services, on free ports."""
    metadata = tmp_path / "plugin" / "plugin_service-1.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(PLUGIN, metadata.parent)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-service\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[hxp.services]\nprobe = plugin_service:ProbeService\nbroken = plugin_service_gone:Nothing\n"
        "[hxp.commands]\nwrecked = plugin_service_gone:nothing\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(metadata.parent))
    here = tmp_path / "stack"
    here.mkdir()
    a, b = free_ports(2)
    (here / "hxp.yaml").write_text(
        "services:\n"
        f"  a: {{use: probe, port: {a}, restart: {{backoff: 0.1}}}}\n"
        f"  b: {{use: probe, port: {b}, needs: [a], restart: {{backoff: 0.1}}}}\n"
    )
    return here


@contextlib.contextmanager
def small_disk(at: Path, options: str = "size=1m") -> Iterator[Path]:
    """A file system of its own, where mounting is allowed."""
    at.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)


def fill(disk: Path) -> Path:
    """Leave not a byte."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as opened, contextlib.suppress(OSError):
        for size in (65_536, 4096, 64, 1):
            with contextlib.suppress(OSError):
                while True:
                    opened.write(b"\0" * size)
    return file


def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.05)


def answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
        return bool(response.status == 200)
    return False


def kill_and_see_it_back(stack: DetachedStack, pid: int, url: str) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not answers(url), 5)
    until(lambda: answers(url), 30)


def test_a_service_is_started_again_on_a_full_disk_and_the_state_is_true_once_there_is_room(folder: Path) -> None:
    """D5: the state file failed inside what restarts; afterwards nobody ever did."""
    with small_disk(folder / ".hxp") as disk, detached_stack(folder) as stack:
        pid, url = stack.pid("a"), stack.url("a")
        filler = fill(disk)
        kill_and_see_it_back(stack, pid, url)
        kill_and_see_it_back(stack, stack.pid("b"), stack.url("b"))
        filler.unlink()
        until(lambda: (now := stack.state["services"])["a"]["restarts"] == 1 and now["b"]["restarts"] == 1, 10)
        until(lambda: {node["state"] for node in stack.state["services"].values()} == {"ready"}, 10)
        assert stack.pid("a") != pid
        log = stack.hxp("logs", "supervisor", "-n", "200").stdout
        assert "the state file cannot be written" not in log  # it takes no room to bring it up to date


def test_while_the_disk_is_full_ps_tells_what_is_so(folder: Path) -> None:
    """D5: it told the state of before, until there was room again."""
    with small_disk(folder / ".hxp") as disk, detached_stack(folder) as stack:
        pid = stack.pid("a")
        fill(disk)
        os.kill(pid, signal.SIGKILL)
        until(lambda: (now := stack.state["services"]["a"])["restarts"] == 1 and now["state"] == "ready", 30)
        assert stack.pid("a") != pid
        os.kill(stack.pid("b"), signal.SIGSTOP)
        until(lambda: "no answer to /readyz" in " ".join(stack.hxp("ps").stdout.split()), 3)
        assert stack.state["age"] < 5


def test_without_inodes_a_service_is_started_again(folder: Path) -> None:
    """D5."""
    with small_disk(folder / ".hxp", "size=4m,nr_inodes=40") as disk, detached_stack(folder) as stack:
        pid, url = stack.pid("a"), stack.url("a")
        taken = disk / "taken"
        with contextlib.suppress(OSError):
            taken.mkdir()
            for number in range(100):
                (taken / str(number)).touch()
        kill_and_see_it_back(stack, pid, url)
        shutil.rmtree(taken)
        until(lambda: stack.state["services"]["a"]["restarts"] == 1 and stack.pid("a") != pid, 10)


def test_a_state_folder_that_becomes_read_only_stops_nobody(folder: Path) -> None:
    """D5."""
    with small_disk(folder / ".hxp") as disk, detached_stack(folder) as stack:
        pid, url = stack.pid("a"), stack.url("a")
        # Files that are open for writing keep a file system writable; a mount over itself is what an operator can do.
        subprocess.run(["mount", "--bind", str(disk), str(disk)], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(disk)], check=True)
            kill_and_see_it_back(stack, pid, url)
            assert "stopped" not in stack.hxp("ps").stdout
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=False)
        until(lambda: stack.state["services"]["a"]["restarts"] == 1, 10)


def test_a_supervisor_without_descriptors_ends_nobody_and_goes_on_when_there_are_some(folder: Path) -> None:
    """D5."""
    with detached_stack(folder) as stack:
        supervisor, pid, url = stack.state["supervisor"]["pid"], stack.pid("a"), stack.url("a")
        _, most = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (3, most))
        watched = time.monotonic() + 8  # longer than the silence after which a service would be hung
        until(lambda: time.monotonic() > watched)
        assert answers(url)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not answers(url), 5)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (most, most))
        until(lambda: answers(url), 40)
        services = stack.state["services"]
        assert services["b"]["restarts"] == 0
        until(lambda: stack.state["services"]["a"]["state"] == "ready", 20)


def told_once(folder: Path, *arguments: str, status: int = 1) -> str:
    """What a command that cannot work tells: one clear sentence, never a traceback."""
    done = subprocess.run([*HXP, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == status, output
    assert "Traceback" not in output
    assert len(output.strip().splitlines()) <= 3, output
    return output


def test_up_in_a_folder_that_cannot_be_written_is_told_in_a_sentence(folder: Path) -> None:
    with small_disk(folder / ".hxp") as disk:
        fill(disk)
        for arguments in (["up"], ["up", "--detach"]):
            assert "the state folder '.hxp' cannot be written (No space left on device)" in told_once(
                folder, *arguments
            )
    with small_disk(folder / ".hxp", "size=1m,ro"):
        assert "cannot be written (Read-only file system)" in told_once(folder, "up")
    (folder / ".hxp").rmdir()
    (folder / ".hxp").write_text("a file")
    assert "the state folder '.hxp' is a file" in told_once(folder, "up")


def test_a_broken_entry_point_is_told_in_a_sentence_and_breaks_nothing_else(folder: Path) -> None:
    config = folder / "hxp.yaml"
    config.write_text(config.read_text().replace("b: {use: probe", "b: {use: broken"))
    told = told_once(folder, "up", status=2)
    assert "the service 'broken' (plugin_service_gone:Nothing) cannot be loaded: ModuleNotFoundError" in told
    assert "the command 'wrecked' (plugin_service_gone:nothing) cannot be loaded" in told_once(folder, "wrecked", "-x")


def test_whoever_reads_the_output_may_leave(folder: Path) -> None:
    """`hxp up | head -2`: the stack goes on, without a word."""
    up = subprocess.Popen([*HXP, "up"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert up.stdout is not None
    up.stdout.readline()
    up.stdout.close()
    stack = DetachedStack(folder)
    until(lambda: "b" in (now := stack.state["services"]) and now["b"]["state"] == "ready")
    url = stack.url("b")
    os.kill(stack.pid("b"), signal.SIGKILL)
    until(lambda: stack.state["services"]["b"]["restarts"] == 1)
    until(lambda: answers(url))
    up.send_signal(signal.SIGINT)
    _, error = up.communicate(timeout=60)
    assert (up.returncode, error) == (0, b"")


INTERRUPTED = """
import os, signal, sys
class Interrupting:
    left = int(sys.argv.pop(1))
    def find_spec(self, name, path=None, target=None):
        Interrupting.left -= 1
        if Interrupting.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
sys.argv[0] = "hxp"
from hxp_services_base.cli import main
sys.meta_path.insert(0, Interrupting())
main()
"""


@pytest.mark.parametrize("nth", [1, 2, 10, 60, 150, 300, 400, 450])
def test_ctrl_c_at_any_moment_of_the_start_ends_quietly(folder: Path, nth: int) -> None:
    """At the n-th module that is imported: before the command line is there, while it reads the settings, and later."""
    command = [sys.executable, "-c", INTERRUPTED, str(nth), "up"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 130, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (folder / ".hxp" / "run" / "stack.json").exists()


def test_ctrl_c_while_services_start_ends_quietly(folder: Path) -> None:
    up = subprocess.Popen([*HXP, "up"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert up.stdout is not None
    assert "starting" in up.stdout.readline()
    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=60)
    assert up.returncode == 130, output
    assert "Traceback" not in output
    assert json.loads(subprocess.run([*HXP, "ps", "--json"], cwd=folder, capture_output=True, check=True).stdout) == {
        "supervisor": None,
        "services": {},
    }
