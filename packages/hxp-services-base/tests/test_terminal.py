"""What commands show: never markup, never a command to the terminal, and no harm when it cannot be shown."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
from hxp_services_base.cli import _entry, _foreground
from hxp_services_base.cli._app import build
from hxp_services_base.cli._chat import _shown
from hxp_services_base.cli._inspect import _row
from hxp_services_base.cli._terminal import Terminal, silence_stdout
from hxp_services_base.commands import CommandError, printable
from hxp_services_base.orchestration import NodeStatus
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("text", ["[/x]", "needs [ledger]", "[bold]", ":smile:", "[link=https://x]y[/link]", "\\[a]"])
def test_what_looks_like_markup_stands_there_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().say(("failed", "red"), f" {text}")
    Terminal().table(("reason",), [(text,), ((text, "green"),)])
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"failed {text}"
    assert [line.strip() for line in shown[2:]] == [text, text]


@given(st.text(max_size=50))
def test_whatever_a_text_holds_nothing_of_it_commands_a_terminal(text: str) -> None:
    written = printable(text)
    assert all(character.isprintable() or character in "\n\t" for character in written)
    if text.isprintable():
        assert written == text


def test_a_model_may_use_joiners_and_no_escapes() -> None:
    assert _shown("a\u200db\nc\x1b[2J\x9b\x07") == "a\u200db\nc\\x1b[2J\\x9b\\x07"


def test_ps_says_when_the_next_try_is() -> None:
    status = NodeStatus("a", state="failed", reason="spent; next try in 300 s", since=0.0, next_try=240.0)
    assert _row(status, None, now=0.0)[-1] == "spent; next try in 300 s (now: in 4m)"
    gone = NodeStatus("a", state="ready", pid=2**22 - 1, since=0.0)  # as on a disk on which nothing new can be written
    assert _row(gone, None, now=0.0)[-1] == f"this is old: process {2**22 - 1} has ended"
    assert (
        _row(NodeStatus("a", last_exit="killed by SIGKILL", since=0.0), None, now=0.0)[-1]
        == "before: killed by SIGKILL"
    )


def test_a_terminal_that_cannot_be_written_to_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    Terminal().say("lost")
    silence_stdout()  # which has no descriptor here


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


class Given(EntryPoint):
    """An entry point whose object a test hands over."""

    def load(self) -> Any:
        found = COMMANDS[self.name]
        if isinstance(found, ImportError):
            raise found
        return raising(found)


COMMANDS: dict[str, BaseException] = {
    "full": OSError(28, "No space left on device", "/x/\x1b[2J"),
    "odd": OSError("just a text"),
    "interrupted": KeyboardInterrupt(),
    "refused": CommandError("no \x1b[2J", status=4),
    "broken": ImportError("no module named 'x'"),
}


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("full", 1, "hxp: No space left on device: '/x/\\x1b[2J'\n"),
        ("odd", 1, "hxp: just a text\n"),
        ("interrupted", 130, ""),
        ("refused", 4, "hxp: no \\x1b[2J\n"),
        ("broken", 1, "hxp: the command 'broken' () cannot be loaded: ImportError: no module named 'x'; install its "),
    ],
)
def test_what_ends_a_command_is_told_in_a_sentence(name: str, status: int, told: str) -> None:
    app = build([Given(each, "", "") for each in COMMANDS])
    result = CliRunner().invoke(app, [name])
    assert (result.exit_code, result.output.startswith(told)) == (status, True), result.output


def test_whoever_has_read_enough_ends_a_command_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "hxp_services_base.cli", "doctor"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert done.stderr == b""


def test_the_entry_ends_at_once_while_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    _entry._end_at_once(2, None)
    assert ended == [130]


def test_only_one_supervisor_works_in_a_folder(tmp_path: Path) -> None:
    with (
        _foreground.alone(tmp_path),
        pytest.raises(CommandError, match="being started by another"),
        _foreground.alone(tmp_path),
    ):
        pytest.fail("there are two")
    with _foreground.alone(tmp_path):
        assert (tmp_path / "run" / "lock").stat().st_mode & 0o777 == 0o600


def test_what_is_left_in_a_full_output_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import sys\nfrom hxp_services_base.cli import _entry\n"
        "sys.stdout = open('/dev/full', 'w')\nprint('x')\n_entry._flush()\nprint('silent', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "silent" in done.stderr


def test_the_key_of_another_profile_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hxp_services_base.orchestration import Stack  # noqa: PLC0415 - here alone

    (tmp_path / "dev-key").write_text("hxp_key\n")
    services = [NodeStatus("gateway", state="ready", url="http://127.0.0.1:1")]
    for profile, shown in (("production", False), ("development", True)):
        stack = Stack("s", (), state_dir=tmp_path, profile=profile)
        _foreground.welcome(Terminal(), stack, services, "hint")
        assert ("hxp_key" in capsys.readouterr().out) is shown
