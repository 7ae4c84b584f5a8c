"""The commands within the command line of one's own program."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from hxp_config import Migration, Source, standard_sources
from hxp_config.cli import application
from hxp_config.commands import Project
from hxp_schemas import Draft, migrates, migrations_of
from pydantic import BaseModel, SecretStr
from typer.testing import CliRunner, Result


class Options(BaseModel):
    config_version: int = 2
    port: int = 1
    token: SecretStr = SecretStr("canary")


@migrates(Options, 1, 2)
def door_is_port(draft: Draft) -> None:
    draft.move("door", "port")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hxp.yaml").write_text("door: 2\n")
    (tmp_path / "hxp.other.yaml").write_text("config_version: 2\nport: 3\n")
    return tmp_path


class NotThereError(Exception):
    """What finding out what the program is about may end in."""


def run(*arguments: str, missing: bool = False) -> Result:
    def sources(profile: str | None) -> Sequence[Source]:
        return standard_sources(name="hxp.other" if profile == "other" else "hxp", environ={})

    def project() -> Project:
        if missing:
            raise NotThereError("no program here")
        return Project(Options, sources, migration=Migration(migrations_of(Options)))

    app = typer.Typer()
    app.add_typer(application(project, errors=(NotThereError,)), name="config")
    return CliRunner().invoke(app, ["config", *arguments])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show"], "port = 2"),
        (["show", "--origins"], "hxp.yaml:1:7"),
        (["explain", "port"], "port = 2\n  from hxp.yaml:1:7"),
        (["validate"], "valid: 3 values"),
        (["diff", "this", "other"], "port: 2 (hxp.yaml:1:7) → 3 (hxp.other.yaml:2:7)"),
        (["schema"], '"x-origin-env": "HXP__PORT"'),
        (["env"], "HXP__PORT=1"),
        (["reference"], "| `port` | integer |"),
        (["migrate"], "door is now port"),
    ],
)
def test_each_question_is_a_command(folder: Path, arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert told in result.output
    assert "canary" not in result.output


@pytest.mark.parametrize("arguments", [["show"], ["explain", "port"], ["validate"], ["diff", "a", "b"], ["migrate"]])
def test_a_program_gets_json(folder: Path, arguments: list[str]) -> None:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    json.loads(result.output)


def test_a_file_is_brought_up_to_date(folder: Path) -> None:
    assert run("migrate", "--write").exit_code == 0
    assert "port: 2" in (folder / "hxp.yaml").read_text()


def test_what_is_wrong_is_told_with_its_place_and_a_status(folder: Path) -> None:
    (folder / "hxp.yaml").write_text("config_version: 2\nprot: 2\n")
    result = run("show")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "prot: unknown key at hxp.yaml:2:1, did you mean 'port'?" in result.stderr
    (folder / "hxp.yaml").write_text("config_version: 2\n")
    result = run("explain", "prot")
    assert (result.exit_code, result.stderr) == (2, "there is nothing at 'prot'; `show` lists what there is\n")


def test_what_a_program_cannot_tell_about_itself_is_no_traceback(folder: Path) -> None:
    result = run("show", missing=True)
    assert (result.exit_code, result.stderr) == (2, "the configuration cannot be used:\nno program here\n")


def test_without_typer_the_extra_is_named() -> None:
    code = "import sys; sys.modules['typer'] = None; import hxp_config.cli"
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "install the extra hxp-config[cli]" in ran.stderr
