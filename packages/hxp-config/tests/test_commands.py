"""What a command line prints: readable, or JSON, and never a secret."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hxp_config import ConfigError, Environment, File, Migration, Source, commands, load, standard_sources
from hxp_config.__main__ import main
from hxp_config.commands import Project
from hxp_schemas import Draft, StackConfig, migrates, migrations_of
from pydantic import BaseModel, SecretStr


class Settings(BaseModel):
    config_version: int = 2
    name: str = "hxp"
    port: int = 1
    token: SecretStr = SecretStr("canary-default")
    db_password: str = ""


@migrates(Settings, 1, 2)
def title_is_name(draft: Draft) -> None:
    draft.move("title", "name")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hxp.yaml").write_text("title: demo  # said\nport: 2\ndb_password: canary-1\n")
    (tmp_path / "hxp.prod.yaml").write_text("port: 3\ndb_password: canary-2\n")
    return tmp_path


@pytest.fixture
def project(folder: Path) -> Project:
    def sources(profile: str | None) -> Sequence[Source]:
        name = "hxp.prod" if profile == "prod" else "hxp"
        return standard_sources(folder, name=name, environ={}, overrides=["port=5"] if profile is None else [])

    return Project(Settings, sources, migration=Migration(migrations_of(Settings)))


def test_what_is_in_force_is_shown_with_its_origins_if_wanted(project: Project, folder: Path) -> None:
    assert commands.show(project).splitlines() == [
        "config_version = 2",
        "name = 'demo'",
        "port = 5",
        "token = **********",
        "db_password = **********",
    ]
    shown = [line.split() for line in commands.show(project, origins=True).splitlines()]
    assert ["name", "=", "'demo'", f"{folder}/hxp.yaml:1:8"] in shown
    told = json.loads(commands.show(project, as_json=True))
    assert told["port"] == {"value": "5", "origin": "--set"}


def test_one_value_is_explained(project: Project, folder: Path) -> None:
    assert commands.explain(project, "port") == f"port = 5\n  from --set\n  instead of '2' from {folder}/hxp.yaml:2:7"
    told = json.loads(commands.explain(project, "port", as_json=True))
    assert (told["value"], told["source"], told["overridden"]) == ("5", "--set", [f"{folder}/hxp.yaml:2:7"])
    with pytest.raises(KeyError):
        commands.explain(project, "prot")


def test_a_configuration_is_validated_and_its_rewrites_are_told(project: Project, folder: Path) -> None:
    assert commands.validate(project).splitlines() == [
        f"version 1 → 2: title is now name ({folder}/hxp.yaml:1:1)",
        "valid: 5 values",
    ]
    assert json.loads(commands.validate(project, as_json=True))["valid"]
    (folder / "hxp.yaml").write_text("prot: 1")
    with pytest.raises(ConfigError, match="did you mean 'port'"):
        commands.validate(project)


def test_two_profiles_are_compared_value_by_value(project: Project, folder: Path) -> None:
    lines = commands.diff(project, "base", "prod").splitlines()
    assert lines == [
        f"name: 'demo' ({folder}/hxp.yaml:1:8) → 'hxp' (default)",
        f"port: 2 ({folder}/hxp.yaml:2:7) → 3 ({folder}/hxp.prod.yaml:1:7)",
        f"db_password: ********** ({folder}/hxp.yaml:3:14) → ********** ({folder}/hxp.prod.yaml:2:14)",
    ]
    assert [one["path"] for one in json.loads(commands.diff(project, "base", "prod", as_json=True))] == [
        "name",
        "port",
        "db_password",
    ]
    assert commands.diff(project, "prod", "prod") == "no difference"


def test_what_is_generated_is_printed(project: Project) -> None:
    assert json.loads(commands.schema(project))["properties"]["port"]["x-origin-env"] == "HXP__PORT"
    assert "# HXP__PORT=1" in commands.env(project)
    assert "| `port` |" in commands.reference(project)


def test_a_file_is_migrated_when_it_is_asked_for(project: Project, folder: Path) -> None:
    path = folder / "hxp.yaml"
    before = path.read_text()
    assert commands.migrate(project, path).endswith("hxp.yaml: unchanged; --write brings it up to date")
    assert path.read_text() == before
    assert commands.migrate(project, path, write=True).endswith("hxp.yaml: written")
    assert ["name:", "demo", "#", "said"] in [line.split() for line in path.read_text().splitlines()]
    assert commands.migrate(project, path, write=True).endswith("hxp.yaml: up to date")
    assert json.loads(commands.migrate(project, path, write=True, as_json=True))["written"] is False
    plain = Project(Settings, project.sources)
    assert commands.migrate(plain, path).endswith("up to date")
    assert json.loads(commands.migrate(plain, path, as_json=True))["rewrites"] == []


def test_no_command_prints_a_secret(project: Project) -> None:
    """L4."""
    printed = [
        commands.show(project, origins=True),
        commands.show(project, as_json=True),
        commands.explain(project, "db_password"),
        commands.explain(project, "token", as_json=True),
        commands.diff(project, "base", "prod"),
        commands.diff(project, "base", "prod", as_json=True),
        commands.schema(project),
        commands.env(project),
        commands.reference(project),
    ]
    assert not [text for text in printed if "canary" in text]


MODEL = """
from pydantic import BaseModel

class Settings(BaseModel):
    port: int = 1
"""


@pytest.mark.parametrize(
    ("arguments", "status", "printed"),
    [
        (["show"], 0, "port = 7"),
        (["show", "--origins"], 0, "port = 7"),
        (["validate", "--json"], 0, '{"valid": true'),
        (["explain", "port"], 0, "hxp.yaml:1:7"),
        (["explain", "prot"], 2, "there is nothing at 'prot'"),
        (["diff", "a", "b"], 0, "no difference"),
        (["schema"], 0, '"x-origin-env": "HXP__PORT"'),
        (["env"], 0, "HXP__PORT"),
        (["reference"], 0, "| `port` |"),
        (["migrate", "hxp.yaml"], 0, "up to date"),
    ],
)
def test_any_model_can_be_asked_about(
    tmp_path: Path,
    arguments: list[str],
    status: int,
    printed: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "settings_under_test.py").write_text(MODEL)
    (tmp_path / "hxp.yaml").write_text("port: 7")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["settings_under_test:Settings", "--directory", str(tmp_path), *arguments]) == status
    told = capsys.readouterr()
    assert printed in told.out + told.err
    sys.modules.pop("settings_under_test")


def test_a_wrong_configuration_ends_with_status_2_and_the_place(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "hxp.yaml").write_text("prot: 7")
    command = [sys.executable, "-m", "hxp_config", "model:Settings", "--directory", str(tmp_path), "validate"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"prot: unknown key at {tmp_path}/hxp.yaml:1:1, did you mean 'port'?\n"


@pytest.mark.parametrize(
    ("profile", "service", "message"),
    [
        ("production", "debug: true", "services.a.debug: production forbids debug: true; remove it at {}:2:40"),
        (
            "staging",
            "config: {api_key: canary}",
            (
                "services.a.config.api_key: staging forbids a secret written out; "
                "write a reference such as env:NAME or file:/path at {}:2:51"
            ),
        ),
    ],
)
def test_what_an_environment_forbids_is_refused_with_its_place(
    tmp_path: Path, profile: str, service: str, message: str
) -> None:
    """C6."""
    path = tmp_path / "hxp.yaml"
    text = f"profile: {profile}\nservices: {{a: {{use: x, port: 1, {service}}}}}"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(StackConfig, [File(path)])
    assert str(caught.value) == message.format(path)
    assert "canary" not in str(caught.value)


def test_a_secret_is_written_out_only_where_it_stands_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "hxp.yaml"
    path.write_text("profile: production\nservices: {a: {use: x, port: 1, config: {api_key: 'env:API_KEY'}}}")
    load(StackConfig, [File(path)])
    given = Environment(environ={"HXP__SERVICES__A__CONFIG__API_KEY": "canary"})
    assert load(StackConfig, [File(path), given]).value.services["a"].config == {"api_key": "canary"}
