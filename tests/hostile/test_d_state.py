"""D, the state on disk: whoever forges it gets nobody killed, and whoever looks at it finds it closed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hxp_services_base.orchestration import ProcessMark
from hxp_services_base.testing import detached_stack
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

HXP = [sys.executable, "-m", "hxp_services_base.cli"]
HXP_YAML = """
{3}
services:
  ledger: {{use: hxp-ledger, port: {0}, config: {{url: "sqlite:///.hxp/ledger.db"}}}}
  tiny: {{use: hxp-model, port: {1}}}
  gateway:
    use: hxp-gateway
    port: {2}
    needs: [ledger, tiny]
    config: {{upstreams: [{{name: tiny, service: tiny, models: [hxp-tiny]}}]}}
"""


def hxp(folder: Path, *arguments: str, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]  # whatever a test adds
        [*HXP, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False, **how
    )


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """Somebody's process."""
    process = subprocess.Popen(["sleep", "120"])
    yield process
    process.kill()
    process.wait()


def forge(folder: Path, pid: int, **changes: object) -> Path:
    """A state file that names a process, with everything about it right that can be read."""
    run = folder / ".hxp" / "run"
    run.mkdir(parents=True, mode=0o700, exist_ok=True)
    mark = ProcessMark.of(pid).model_copy(update=changes)
    file = run / "stack.json"
    file.write_text(json.dumps({"name": "s", "supervisor": mark.model_dump(), "services": {}}))
    file.chmod(0o600)
    return file


def test_a_forged_state_file_gets_nobody_killed(tmp_path: Path, victim: subprocess.Popen[bytes]) -> None:
    """P11: an operator with every right runs `hxp down` in a folder of somebody else."""
    forge(tmp_path, victim.pid)
    told = hxp(tmp_path, "down")
    assert (told.returncode, "nothing was stopped" in told.stderr) == (1, True)
    assert f"process {victim.pid} is no `hxp up` but 'sleep 120'" in told.stderr
    assert victim.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of somebody else")
def test_a_folder_of_somebody_else_is_not_believed_and_not_used(
    tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    """P11."""
    forge(tmp_path, victim.pid)
    shutil.chown(tmp_path / ".hxp", user=12345)
    told = hxp(tmp_path, "down").stderr
    assert "'.hxp' belongs to user 12345, and you are user 0; nothing that it says is trusted" in told
    assert victim.poll() is None
    (tmp_path / ".hxp" / "run" / "stack.json").unlink()
    (tmp_path / "hxp.yaml").write_text(HXP_YAML.format(*free_ports(3), ""))
    told = hxp(tmp_path, "up").stderr
    assert "nothing was started" in told
    assert "give the stack a state folder of its own, or run it as that user" in told


def test_what_a_forged_state_says_reaches_the_terminal_as_text(tmp_path: Path, victim: subprocess.Popen[bytes]) -> None:
    file = forge(tmp_path, victim.pid)
    state = json.loads(file.read_text())
    node = {"name": "[/x]", "reason": "\x1b[2J[red]gone[/red] \x07", "state": "[bold", "url": "[link=x]"}
    state["services"] = {"a": node}
    file.write_text(json.dumps(state))
    shown = hxp(tmp_path, "ps", env={**os.environ, "COLUMNS": "200"})
    assert shown.returncode == 0, shown.stderr
    assert "\x1b[2J" not in shown.stdout
    for text in ("[/x]", "[red]gone[/red]", "\\x1b[2J", "[bold", "[link=x]"):
        assert text in shown.stdout


def test_a_reason_that_looks_like_markup_is_told_whole(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    config = f"services:\n  a: {{use: hxp-model, port: {port}, config: {{model: '/no/[/x]/[ledger].gguf'}}}}\n"
    (tmp_path / "hxp.yaml").write_text(config)
    for arguments in (["up"], ["up", "--detach"]):
        told = hxp(tmp_path, *arguments)
        assert told.returncode == 1
        assert "there is no file '/no/[/x]/[ledger].gguf'" in told.stdout


def test_numbers_that_are_no_process_are_no_stack(tmp_path: Path) -> None:
    for pid in (0, -1, 2**70):
        run = tmp_path / ".hxp" / "run"
        run.mkdir(parents=True, exist_ok=True)
        (run / "stack.json").write_text(
            json.dumps({"name": "s", "supervisor": {"pid": pid, "started": 1}, "services": {}})
        )
        told = hxp(tmp_path, "down")
        assert "nothing runs here" in told.stderr


@pytest.mark.slow
def test_every_file_is_its_owners_alone_from_the_first_moment_and_no_key_is_in_a_log(tmp_path: Path) -> None:
    """A16: with the loosest umask, looked at all the time while the stack starts."""
    (tmp_path / "hxp.yaml").write_text(HXP_YAML.format(*free_ports(3), ""))
    previous = os.umask(0)
    try:
        up = subprocess.Popen([*HXP, "up", "--detach"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        loose = set()
        while up.poll() is None:
            loose |= open_to_others(tmp_path / ".hxp")
        output, _ = up.communicate()
    finally:
        os.umask(previous)
    try:
        assert up.returncode == 0, output
        assert loose == set()
        key = (tmp_path / ".hxp" / "dev-key").read_text().strip()
        assert f"API key (development): {key}" in output
        assert "HXP" in hxp(tmp_path, "chat", "What is HXP?").stdout
        made = json.loads(hxp(tmp_path, "keys", "create", "a", "--json").stdout)["key"]
    finally:
        assert hxp(tmp_path, "down").returncode == 0
    assert open_to_others(tmp_path / ".hxp") == set()
    for file in (tmp_path / ".hxp").rglob("*"):
        if file.is_file() and file.name != "dev-key":
            content = file.read_bytes()
            assert key.encode() not in content, file
            assert made.encode() not in content, file


def open_to_others(folder: Path) -> set[str]:
    """Everything that others could look at, each with its mode."""
    found = set()
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            try:
                mode = Path(place, name).lstat().st_mode
            except FileNotFoundError:
                continue
            if mode & 0o077:
                found.add(f"{Path(place, name)} {mode & 0o777:o}")
    if folder.exists() and folder.stat().st_mode & 0o077:
        found.add(str(folder))
    return found


@pytest.mark.slow
def test_idle_a_stack_says_nothing_and_under_load_its_logs_stay_bounded(tmp_path: Path) -> None:
    """D6."""
    logging = "logging: {rotation: {size: 20000, keep: 2}}"
    (tmp_path / "hxp.yaml").write_text(HXP_YAML.format(*free_ports(3), logging))
    with detached_stack(tmp_path) as stack:
        folder = tmp_path / ".hxp" / "log"
        before = {file.name: file.stat().st_size for file in folder.iterdir()}
        asked = snapshots(stack.url("ledger"))
        limit = time.monotonic() + 30
        while snapshots(stack.url("ledger")) < asked + 4:  # the gateway looks for keys once a second
            assert time.monotonic() < limit
            time.sleep(0.1)
        assert {file.name: file.stat().st_size for file in folder.iterdir()} == before
        for _ in range(40):
            assert hxp_models(stack.url(), stack.key) == 200
        for file in folder.iterdir():
            assert file.stat().st_size < 60_000, file
        assert len([file for file in folder.iterdir() if file.name.startswith("gateway.log.")]) <= 3
        assert "request" in stack.hxp("logs", "gateway", "-n", "500").stdout


def snapshots(url: str) -> float:
    """How often a ledger has been asked for its keys."""
    address, _, port = url.rpartition(":")
    with urllib.request.urlopen(f"{address}:{int(port) + 1000}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    found = [line for line in lines if line.startswith("hxp_http_requests_total") and "snapshot" in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def hxp_models(url: str, key: str) -> int:
    request = urllib.request.Request(f"{url}/v1/models", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return int(response.status)
