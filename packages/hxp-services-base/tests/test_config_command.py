"""`hxp config`, on the stack of a folder."""

import json
from pathlib import Path

import pytest
from hxp_services_base.cli._app import build
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.usefixtures("plugin")

GOOD = """\
config_version: 1   # kept
services:
  json:
    use: probe
    port: 8000
    config: {text: hi}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HXP_PROFILE", raising=False)
    (tmp_path / "hxp.yaml").write_text(GOOD)
    (tmp_path / "hxp.staging.yaml").write_text("services: {json: {port: 9000}}")
    return tmp_path


def hxp(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["config", *arguments])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show"], "services.json.config.text = 'hi'"),
        (["show", "--origins"], "hxp.yaml:5:11"),
        (["explain", "services.json.port"], "services.json.port = 8000\n  from hxp.yaml:5:11\n"),
        (["validate"], "valid: 2"),
        (["diff", "development", "staging"], "services.json.port: 8000 (hxp.yaml:5:11) → 9000 (hxp.staging.yaml:1:25)"),
        (["schema"], '"x-origin-env": "HXP__SERVICES__JSON__PORT"'),
        (["env"], "HXP__SERVICES__JSON__CONFIG__TEXT="),
        (["reference"], "| `services.json.config.text` | string |"),
        (["migrate"], "hxp.yaml: up to date"),
    ],
)
def test_the_stack_can_be_asked(arguments: list[str], told: str) -> None:
    result = hxp(*arguments)
    assert result.exit_code == 0, result.output
    assert told in result.output


@pytest.mark.parametrize(
    "arguments", [["show"], ["explain", "services.json.port"], ["validate"], ["diff", "a", "b"], ["migrate"]]
)
def test_a_program_gets_json(arguments: list[str]) -> None:
    result = hxp(*arguments, "--json")
    assert result.exit_code == 0, result.output
    json.loads(result.output)


def test_what_is_wrong_is_named_with_its_place_and_status_2(folder: Path) -> None:
    (folder / "hxp.yaml").write_text(GOOD.replace("text", "txet"))
    result = hxp("validate")
    assert result.exit_code == 2
    assert "services.json.config.txet: unknown key at hxp.yaml:6:14, did you mean 'text'?" in result.output
    (folder / "hxp.yaml").write_text(GOOD.replace("probe", "absent"))
    assert hxp("show").exit_code == 2


def test_a_key_that_is_not_there_says_how_to_find_those_that_are() -> None:
    result = hxp("explain", "services.jsn.port")
    assert result.exit_code == 2
    assert "there is nothing at 'services.jsn.port'; `show` lists what there is" in result.output
