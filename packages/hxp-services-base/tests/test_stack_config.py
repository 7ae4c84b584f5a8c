"""`hxp.yaml`: layered, every service's own settings checked, every mistake with its place."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from hxp_config import ConfigError
from hxp_services_base import BaseService, Settings
from hxp_services_base.orchestration import StackError, read_stack, service_type
from pydantic import ConfigDict

pytestmark = pytest.mark.usefixtures("plugin")

GOOD = """
config_version: 1
services:
  json:
    use: probe
    port: 8000
    config: {text: hi}
  door:
    use: probe
    port: 8100
    needs: [json]
"""


class LooseSettings(Settings):
    model_config = ConfigDict(extra="allow")


class ProbeLike(BaseService[LooseSettings]):
    """Stands for the three services of the default stack."""


def write(folder: Path, text: str, name: str = "hxp.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def settings(folder: Path, **how: Any) -> Any:
    return read_stack(folder, environ=how.pop("environ", {}), **how)[0].node("json").settings


def test_a_file_becomes_a_stack(tmp_path: Path) -> None:
    stack, snapshot = read_stack(write(tmp_path, GOOD), environ={})
    assert stack.plan() == (("json",), ("door",))
    assert stack.node("door").port == 8100
    assert settings(tmp_path).text == "hi"
    assert snapshot.origin("services.json.config.text").line == 7
    assert type(stack.node("json").make()).__name__ == "ProbeService"


def test_profile_environment_and_overrides_win_in_this_order(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "services: {json: {config: {text: profile}}}", "hxp.staging.yaml")
    assert settings(tmp_path, environ={"HXP_PROFILE": "staging"}).text == "profile"
    assert read_stack(tmp_path, environ={"HXP_PROFILE": "staging"})[0].profile == "staging"
    environ = {"HXP_PROFILE": "staging", "HXP__SERVICES__JSON__CONFIG__TEXT": "environment"}
    assert settings(tmp_path, environ=environ).text == "environment"
    assert settings(tmp_path, environ=environ, overrides=["services.json.config.text=mine"]).text == "mine"


def test_a_typing_mistake_in_a_services_own_settings_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, GOOD.replace("text: hi", "txet: hi").replace("port: 8100", "prot: 8100"))
    with pytest.raises(ConfigError) as caught:
        read_stack(Path(), environ={})
    text = str(caught.value)
    assert "services.door.prot: unknown key at hxp.yaml:10:5, did you mean 'port'?" in text
    write(tmp_path, GOOD.replace("text: hi", "txet: hi"))
    with pytest.raises(ConfigError, match=r"services\.json\.config\.txet: unknown key at hxp\.yaml:7:14, did you mean"):
        read_stack(Path(), environ={})


def test_mistakes_of_the_outline_and_of_services_are_told_at_once_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("text: hi", "txet: hi").replace("port: 8100", "prot: 8100\n    port: no"))
    with pytest.raises(ConfigError) as caught:
        read_stack(tmp_path, environ={})
    assert [(problem.path, problem.origin and problem.origin.line) for problem in caught.value.errors] == [
        ("services.json.config.txet", 7),
        ("services.door.prot", 10),
        ("services.door.port", 11),
    ]


def test_what_the_environment_forbids_is_told_beside_a_mistake_of_a_service(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("port: 8000", "port: 8000\n    debug: true").replace("text: hi", "txet: hi"))
    with pytest.raises(ConfigError) as caught:
        read_stack(tmp_path, environ={"HXP_PROFILE": "production"})
    assert [problem.path for problem in caught.value.errors] == ["services.json.config.txet", "services.json.debug"]


@pytest.mark.parametrize("mistake", ["use: absent\n    prot: 1", "prot: 1", "use: [probe]"])
def test_without_the_services_their_outline_is_told_alone(tmp_path: Path, mistake: str) -> None:
    write(tmp_path, f"services:\n  json:\n    {mistake}\n    port: x\n")
    with pytest.raises(ConfigError) as caught:
        read_stack(tmp_path, environ={})
    assert "services.json.port" in [problem.path for problem in caught.value.errors]


def test_a_service_that_is_not_installed_is_named_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"no service 'absent' is installed \(installed: broken, .*probe"):
        read_stack(write(tmp_path, "services: {a: {use: absent, port: 1000}}"), environ={})
    with pytest.raises(StackError, match="must be a subclass of BaseService"):
        service_type("broken")
    with pytest.raises(StackError, match=r"the service 'wrecked' .* cannot be loaded: ModuleNotFoundError: .*gone"):
        service_type("wrecked")


def test_a_configuration_without_services_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="has no services"):
        read_stack(write(tmp_path, "config_version: 1"), environ={})


def test_a_grace_shorter_than_a_services_own_drain_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_type("probe"), "drain_timeout", 60.0)
    with pytest.raises(StackError, match="'json' would be killed after 40 s, while its drain and stop may take 70 s"):
        read_stack(write(tmp_path, GOOD), environ={})


def test_without_a_file_the_default_stack_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as data: its services are other distributions, which this package does not need."""
    text = resources.files("hxp_services_base.orchestration").joinpath("default.yaml").read_text()
    assert sorted(yaml.safe_load(text)["services"]) == ["gateway", "ledger", "tiny"]
    monkeypatch.setattr("hxp_services_base.orchestration._config.service_type", lambda use: ProbeLike)
    assert read_stack(tmp_path, environ={})[0].plan() == (("ledger", "tiny"), ("gateway",))


def test_debug_makes_one_service_loud(tmp_path: Path) -> None:
    stack, _ = read_stack(write(tmp_path, GOOD.replace("use:", "debug: true\n    use:", 1)), environ={})
    levels = {node.name: stack.logging_of(node).level for node in stack.nodes}
    assert sorted(levels.values()) == ["DEBUG", *["INFO"] * (len(levels) - 1)]


def test_production_forbids_what_it_must(tmp_path: Path) -> None:
    """C6."""
    write(tmp_path, GOOD.replace("use:", "debug: true\n    use:", 1))
    with pytest.raises(ConfigError, match="production forbids debug: true; remove it at"):
        read_stack(tmp_path, environ={"HXP_PROFILE": "production"})


def test_where_operations_answer_and_what_connections_may_do_reach_the_service(tmp_path: Path) -> None:
    text = GOOD.replace(
        "port: 8100", "port: 8100\n    admin_host: 10.1.2.3\n    http: {head_timeout: 3, max_connections: 9}"
    )
    stack, _ = read_stack(write(tmp_path, text), environ={})
    node = stack.node("door")
    assert (node.operations_host, node.http.head_timeout, node.http.max_connections) == ("10.1.2.3", 3.0, 9)
    assert stack.node("json").operations_host == "127.0.0.1"
