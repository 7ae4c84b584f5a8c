"""A configuration that knows where each value came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hxp_config import Defaults, Environment, Origin, Overrides, Snapshot, Source, YamlFile, YamlText, load
from pydantic import BaseModel, ConfigDict, Field, SecretStr

if TYPE_CHECKING:
    from pathlib import Path


class Server(BaseModel):
    model_config = ConfigDict(extra="allow")
    port: int = 8000
    host: str = "127.0.0.1"
    phrase: SecretStr = SecretStr("none")
    max_size: int = Field(default=1, alias="max-size")


class Settings(BaseModel):
    server: Server = Server()
    api_key: str = "default"
    hosts: list[str] = ["a", "b"]
    limits: dict[str, int] = {"x": 1}


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot[Settings]:
    path = tmp_path / "hxp.yaml"
    path.write_text("server:\n  port: 0x1F90\n  host: a\nhosts: [c, d]\nempty: {}\n")

    class Open(Settings):
        model_config = ConfigDict(extra="allow")

    sources: list[Source] = [
        Defaults({"server": {"port": 1}}),
        YamlFile(path),
        YamlText("server: {port: 9000}", "hxp.prod.yaml"),
        Environment(environ={"HXP__SERVER__PORT": "9001", "HXP__API_KEY": "canary", "HXP__SERVER__PHRASE": "canary"}),
        Overrides(["server.port=9002"]),
    ]
    return load(Open, sources)


def test_a_value_knows_its_file_line_and_column(snapshot: Snapshot[Settings], tmp_path: Path) -> None:
    path = str(tmp_path / "hxp.yaml")
    assert snapshot.origin("server.host") == Origin("hxp.yaml", path, 3, 9, raw="a")
    assert str(snapshot.origin("server.host")) == f"{path}:3:9"
    assert snapshot.origin("hosts.1") == Origin("hxp.yaml", path, 4, 12, raw="d")


def test_a_value_knows_what_it_replaced_the_latest_first(snapshot: Snapshot[Settings], tmp_path: Path) -> None:
    assert snapshot.value.server.port == 9002
    origin = snapshot.origin("server.port")
    assert (origin.source, origin.raw) == ("--set", "9002")
    assert [str(lost) for lost in origin.overridden] == [
        "HXP__SERVER__PORT",
        "hxp.prod.yaml:1:16",
        f"{tmp_path / 'hxp.yaml'}:2:9",
        "defaults",
    ]
    assert [lost.raw for lost in origin.overridden] == ["9001", "9000", "0x1F90", "1"]


def test_a_section_knows_where_it_began(snapshot: Snapshot[Settings]) -> None:
    assert str(snapshot.origin("server")) == "defaults"
    assert snapshot.origin("hosts").line == 4


def test_a_value_that_no_source_gave_comes_from_the_default(snapshot: Snapshot[Settings]) -> None:
    assert snapshot.origin("limits.x") == snapshot.origin("server.max-size") == Origin("default")
    assert snapshot.origin("server.max_size") == Origin("default")


@pytest.mark.parametrize("path", ["nothing", "server.nothing", "server.port.x", "hosts.7", "hosts.x", "limits.y"])
def test_there_is_no_origin_of_what_is_not_there(snapshot: Snapshot[Settings], path: str) -> None:
    with pytest.raises(KeyError):
        snapshot.origin(path)


def test_all_leaves_are_listed_with_their_origins(snapshot: Snapshot[Settings]) -> None:
    origins = snapshot.origins()
    assert set(origins) == {
        "server.port",
        "server.host",
        "server.phrase",
        "hosts.0",
        "hosts.1",
        "empty",
        "api_key",
    }
    assert origins["server.port"] == snapshot.origin("server.port")


def test_a_path_may_hold_a_key_with_a_dot() -> None:
    snapshot = load(dict[str, Any], [YamlText("models: {gpt.5: {n: 1}}", "f")])
    assert snapshot.origin('models."gpt.5".n').column == 21
    assert snapshot.explain('models."gpt.5".n') == 'models."gpt.5".n = 1\n  from f:1:21'


def test_a_value_is_explained_in_words(snapshot: Snapshot[Settings], tmp_path: Path) -> None:
    assert snapshot.explain("server.port").splitlines() == [
        "server.port = 9002",
        "  from --set",
        "  instead of '9001' from HXP__SERVER__PORT",
        "  instead of '9000' from hxp.prod.yaml:1:16",
        f"  instead of '0x1F90' from {tmp_path / 'hxp.yaml'}:2:9",
        "  instead of '1' from defaults",
    ]
    assert snapshot.explain("limits") == "limits = {'x': 1}\n  from default"


def test_a_secret_is_never_shown(snapshot: Snapshot[Settings]) -> None:
    """C7, L4."""
    again = load(Settings, [Defaults({"api_key": "canary"}), Overrides(["api_key=canary", "server.phrase=canary"])])
    shown = [snapshot.explain("api_key"), snapshot.explain("server.phrase"), again.explain("api_key")]
    shown += [repr(snapshot.origins()), repr(again.origin("api_key")), str(again.origin("api_key"))]
    assert "canary" not in "".join(shown)
    assert "instead of ********** from --set" not in shown[2]
    assert shown[2] == "api_key = **********\n  from --set\n  instead of ********** from defaults"


def test_a_section_that_was_replaced_is_called_a_section() -> None:
    snapshot = load(dict[str, Any], [Defaults({"a": {"b": 1}}), Overrides(["a=1"])])
    assert snapshot.explain("a") == "a = 1\n  from --set\n  instead of a section from defaults"


class Renamed(BaseModel):
    inner: int = Field(validation_alias="outer")


def test_what_the_model_renamed_is_found_by_both_names() -> None:
    class Moved(BaseModel):
        model_config = ConfigDict(extra="ignore")

    snapshot = load(Renamed, [YamlText("outer: 1", "f")])
    assert snapshot.explain("outer") == "outer = 1\n  from f:1:8"
    assert snapshot.explain("inner") == "inner = 1\n  from default"
    moved = load(Moved, [YamlText("gone: [1]", "f")])
    assert moved.explain("gone") == "gone = [1]\n  from f:1:7"


def test_a_snapshot_cannot_be_changed(snapshot: Snapshot[Settings]) -> None:
    with pytest.raises(AttributeError):
        snapshot.value = Settings()  # type: ignore[misc]
