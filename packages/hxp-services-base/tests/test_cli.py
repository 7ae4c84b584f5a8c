"""The `hxp` command, as a person uses it: typed, read, broken on purpose."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pty
import signal
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import pytest
from hxp_services_base.chassis import bind
from hxp_services_base.cli import _entry
from hxp_services_base.cli._app import build
from hxp_services_base.commands import Argument, CommandError, CommandGroup, Option
from hxp_services_base.orchestration import ProcessMark, StackState
from hxp_testing.llm import MockLLM
from hxp_testing.net import free_ports
from hxp_testing.upstream import Behaviour, Reply, ScriptedUpstream, Stream
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: Path) -> Path:
    """A working directory with a stack of one service, called gateway so that the welcome speaks of it."""
    del plugin
    port = free_ports(1)[0]
    text = f"services:\n  gateway: {{use: probe, port: {port}, config: {{text: hi}}}}\n"
    (tmp_path / "hxp.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hxp(*arguments: str) -> Result:
    return CliRunner().invoke(build(), list(arguments))


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture
def up(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`hxp up` in the foreground, ready."""
    (folder / ".hxp").mkdir()
    (folder / ".hxp" / "dev-key").write_text("hxp_key\n")
    command = [sys.executable, "-m", "hxp_services_base.cli", "up"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: (state := StackState.read(folder / ".hxp")) and state.services["gateway"].state == "ready")
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_up_tells_progress_a_table_a_key_and_a_line_to_try_and_ctrl_c_drains(up: subprocess.Popen[str]) -> None:
    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=30)
    assert up.returncode == 0
    assert "gateway    starting" in output
    assert "service" in output
    assert "curl http://127.0.0.1:" in output
    assert "SIGINT: draining" in output
    assert "gateway    stopped" in output


def test_the_key_is_shown_on_a_terminal_and_elsewhere_only_where_it_lies(
    up: subprocess.Popen[str], folder: Path
) -> None:
    """A16: a service manager keeps what is printed to it."""
    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=30)
    assert "API key (development): in .hxp/dev-key" in output
    assert "hxp_key" not in output
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "hxp_services_base.cli", "up"], stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"Ctrl-C stops everything" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # EIO: it has ended
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert process.wait(30) == 0
    assert b"API key (development): hxp_key" in shown
    for file in (folder / ".hxp" / "log").iterdir():
        assert b"hxp_key" not in file.read_bytes()


def test_a_second_up_says_who_runs_and_harms_nothing(up: subprocess.Popen[str]) -> None:
    """P6."""
    result = hxp("up")
    assert result.exit_code == 1
    assert f"runs already, as process {up.pid}" in result.output
    assert up.poll() is None


def test_ps_logs_and_doctor_tell_what_runs(up: subprocess.Popen[str]) -> None:
    assert "ready" in hxp("ps").output
    services = json.loads(hxp("ps", "--json").output)["services"]
    assert services["gateway"]["state"] == "ready"
    assert "state changed" in hxp("logs", "gateway").output
    assert "there is no log of 'nope'" in hxp("logs", "nope").output
    assert f"runs as process {up.pid}" in hxp("doctor").output


def test_a_terminal_that_is_closed_drains_the_stack(up: subprocess.Popen[str]) -> None:
    up.send_signal(signal.SIGHUP)
    output, _ = up.communicate(timeout=30)
    assert (up.returncode, "SIGHUP: draining" in output) == (0, True)


def test_a_supervisor_that_is_stopped_is_told_and_hears_of_down_all_the_same(up: subprocess.Popen[str]) -> None:
    os.kill(up.pid, signal.SIGSTOP)
    until(lambda: "is stopped, so this may be old" in hxp("ps").output)
    assert hxp("down").exit_code == 0
    assert up.wait(5) == 0


def test_what_is_set_for_a_detached_stack_is_in_nobodys_arguments(folder: Path) -> None:
    assert hxp("up", "--detach", "--set", "services.gateway.config.secret=hush-hush").exit_code == 0
    state = StackState.read(folder / ".hxp")
    assert state is not None
    for pid in (state.supervisor.pid, state.services["gateway"].pid):
        assert b"hush" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert "hush-hush" in urllib.request.urlopen(state.services["gateway"].url).read().decode()
    assert hxp("down").exit_code == 0


def test_down_stops_what_up_started(up: subprocess.Popen[str], folder: Path) -> None:
    result = hxp("down")
    assert (result.exit_code, "stopped 1 services" in result.output) == (0, True)
    assert up.wait(5) == 0
    assert StackState.read(folder / ".hxp") is None


@pytest.mark.usefixtures("folder")
def test_detached_it_returns_when_all_is_ready_and_runs_on() -> None:
    result = hxp("up", "--detach", "--set", "services.gateway.config.text=other")
    assert result.exit_code == 0, result.output
    assert "running as process" in result.output
    assert hxp("ps").exit_code == 0
    assert "ready" in hxp("logs").output
    assert hxp("down").exit_code == 0


@pytest.mark.usefixtures("folder")
def test_detached_it_tells_why_it_did_not_start() -> None:
    result = hxp("up", "-d", "--set", "services.gateway.config.refuse=true")
    assert result.exit_code == 1
    assert "refused, as told" in result.output
    assert "the stack did not start" in result.output


def test_a_state_folder_that_cannot_be_used_or_believed_is_told_in_a_sentence(folder: Path) -> None:
    (folder / ".hxp").touch()
    assert "nothing was started: the state folder '.hxp' is a file; move it away" in hxp("up").output
    (folder / ".hxp").unlink()
    state = StackState(name="s", supervisor=ProcessMark.of(os.getpid()), services={})
    state.write(folder / ".hxp")
    (folder / ".hxp").chmod(0o777)
    assert "nothing was stopped: others can write '.hxp'" in hxp("down").output
    result = hxp("up")
    assert "others could use" in result.output
    assert f"runs already, as process {os.getpid()}" in result.output
    assert "is no `hxp up`" in hxp("down").output


def test_ctrl_c_stops_a_detached_start_too(folder: Path) -> None:
    command = [sys.executable, "-m", "hxp_services_base.cli", "up", "-d", "--set", "services.gateway.config.hang=true"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: (state := StackState.read(folder / ".hxp")) and "parts" in state.services["gateway"].reason)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in output) == (130, False)
    assert StackState.read(folder / ".hxp") is None


def test_up_names_every_port_in_use_and_starts_nothing(folder: Path) -> None:
    """P6."""
    port = int((folder / "hxp.yaml").read_text().partition("port: ")[2].partition(",")[0])
    listener = bind("127.0.0.1", port)
    result = hxp("up")
    assert result.exit_code == 1
    assert "nothing was started" in result.output
    assert f"{port} is in use by process {os.getpid()}" in result.output
    doctor = hxp("doctor")
    assert doctor.exit_code == 1
    assert f"port {port}" in doctor.output
    listener.close()
    assert "cannot bind 203.0.113.1" in hxp("up", "--set", "services.gateway.host=203.0.113.1").output


def test_mistakes_in_the_configuration_are_told_with_their_place(folder: Path) -> None:
    (folder / "hxp.yaml").write_text("services:\n  a: {use: probe, prot: 1}\n")
    result = hxp("up")
    assert result.exit_code == 2
    assert "services.a.prot: unknown key at hxp.yaml:2:" in result.output
    doctor = hxp("doctor", "--json")
    assert doctor.exit_code == 1
    findings = {finding["name"]: finding for finding in json.loads(doctor.stdout)}
    assert not findings["configuration"]["ok"]
    assert findings["python"]["ok"]


@pytest.mark.usefixtures("folder")
def test_where_nothing_runs_each_command_says_so() -> None:
    assert (hxp("ps").exit_code, "nothing runs here" in hxp("ps").output) == (3, True)
    assert json.loads(hxp("ps", "--json").output) == {"supervisor": None, "services": {}}
    assert "nothing runs here" in hxp("down").output
    assert hxp("logs").exit_code == 0
    assert "no gateway runs here" in hxp("chat", "hi").output
    assert "no API key" in hxp("chat", "hi", "--url", "http://127.0.0.1:1").output
    assert "cannot be reached" in hxp("chat", "hi", "--url", "http://127.0.0.1:1", "--key", "k").output


def test_help_and_version_help() -> None:
    assert "hxp up" in hxp("--help").output
    for command in ("up", "down", "ps", "logs", "chat", "doctor"):
        result = hxp(command, "--help")
        assert (result.exit_code, "Usage" in result.output) == (0, True)
    assert hxp("--version").output.startswith("hxp ")


def test_follow_prints_what_is_new_until_ctrl_c(folder: Path) -> None:
    log = folder / ".hxp" / "log"
    log.mkdir(parents=True)
    (log / "a.log").write_text("one\n")
    (log / "b.log").write_text("two\n")
    command = [sys.executable, "-m", "hxp_services_base.cli", "logs", "-f"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    assert "one" in process.stdout.readline()
    assert "two" in process.stdout.readline()
    with (log / "a.log").open("a") as file:
        file.write("three\n")
    assert process.stdout.readline() == "a          three\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.anyio
async def test_chat_streams_an_answer_and_tells_failures() -> None:
    async with MockLLM() as server:
        result = await anyio.to_thread.run_sync(
            lambda: hxp(
                "chat", "say it", "--url", server.url, "--key", "k", "--system", "be kind", "--max-tokens", "50"
            )
        )
        assert result.exit_code == 0, result.output
        assert result.output.strip()
        asked = json.loads(server.requests[-1].body)
        assert asked["messages"][0] == {"role": "system", "content": "be kind"}
        assert (asked["max_tokens"], asked["stream"]) == (50, True)
    events = {"Content-Type": "text/event-stream"}
    broken = b'data: {"choices":[{"delta":{"content":"par"}}]}\n\n'
    cases: dict[str, Behaviour] = {
        "broke off: the connection was closed": Stream([broken], headers=events, end=True),
        "broke off: no memory": Reply(200, events, broken + b'data: {"error":{"message":"no memory"}}\n\n'),
        "busy (status 429, code rate_limited)": Reply(
            429, {}, b'{"error":{"message":"busy","type":"x","code":"rate_limited","param":null}}'
        ),
    }
    for message, behaviour in cases.items():
        async with ScriptedUpstream([behaviour]) as server:
            arguments = ["chat", "-", "-m", "m", "--url", server.url, "--key", "k"]
            ask = functools.partial(CliRunner().invoke, build(), arguments, input="hi")
            result = await anyio.to_thread.run_sync(ask)
            assert (result.exit_code, message in result.output) == (1, True), result.output
    async with ScriptedUpstream([Reply(200, {}, b'{"data":[]}')]) as server:
        url = server.url
        result = await anyio.to_thread.run_sync(lambda: hxp("chat", "hi", "--url", url, "--key", "k"))
        assert "has no models" in result.output


def shout(
    word: Annotated[str, Argument(help="What.")], *, loud: Annotated[bool, Option("--loud", help="How.")] = False
) -> None:
    """Say it."""
    if word == "no":
        raise CommandError("I will not", status=4)
    print(word.upper() if loud else word)


def repeat(word: Annotated[str, "a marker of somebody else's"], times: int = 1) -> None:
    """Say it again."""
    print(word * times)


group = CommandGroup("Words.", {"shout": shout, "repeat": repeat})


def test_a_package_adds_commands_with_plain_functions() -> None:
    class Given(EntryPoint):
        def load(self) -> object:
            return shout if self.name == "shout" else group

    entries = [Given("shout", "", ""), Given("words", "", "")]
    runner = CliRunner()
    assert runner.invoke(build(entries), ["shout", "hi", "--loud"]).output == "HI\n"
    assert runner.invoke(build(entries), ["words", "shout", "hi"]).output == "hi\n"
    assert runner.invoke(build(entries), ["words", "repeat", "hi", "--times", "2"]).output == "hihi\n"
    refused = runner.invoke(build(entries), ["shout", "no"])
    assert (refused.exit_code, refused.output) == (4, "hxp: I will not\n")


def test_without_the_extra_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hxp_services_base.cli._app")
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r'pip install "hxp-services-base\[cli\]"'):
        _entry.main()


def test_another_module_that_is_missing_is_not_blamed_on_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hxp_services_base.cli._app")
    monkeypatch.setitem(sys.modules, "hxp_services_base.commands", None)
    with pytest.raises(ModuleNotFoundError):
        _entry.main()
