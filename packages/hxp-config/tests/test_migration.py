"""Old documents are brought up to date, every value keeps its place, and a file on disk keeps its comments."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hxp_config import ConfigError, Environment, File, FileMigration, Migration, Source, YamlText, load, migrate_file
from hxp_schemas import Draft, MigrationError, migrates, migrations_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict


class Server(BaseModel):
    port: int = 0
    tls: bool = False


class Settings(BaseModel):
    model_config = ConfigDict(extra="allow")
    config_version: int = 3
    server: Server = Server()
    title: str = ""


@migrates(Settings, 1, 2)
def name_is_title(draft: Draft) -> None:
    draft.move("name", "title")
    draft.remove("obsolete")


@migrates(Settings, 2, 3)
def port_is_below_server(draft: Draft) -> None:
    draft.move("port", "server.port")
    draft.set("server.tls", draft.get("server.port") == 443)


MIGRATION = Migration(migrations_of(Settings))
OLD = """\
# The head.
config_version: 1
name: demo   # the name
obsolete: 1

# What it listens on.
port: 017
list: [a,  b]   # kept as it is
quoted: 'single'
"""


def test_an_old_document_is_brought_up_to_date_and_keeps_its_places() -> None:
    snapshot = load(Settings, [YamlText("name: demo\nobsolete: 1\nport: 443", "f")], migration=MIGRATION)
    assert (snapshot.value.title, snapshot.value.server) == ("demo", Server(port=443, tls=True))
    assert str(snapshot.origin("title")) == "f:1:7"
    assert str(snapshot.origin("server.port")) == "f:3:7"
    assert str(snapshot.origin("server.tls")) == "migration 2 → 3"
    assert [str(rewrite) for rewrite in snapshot.rewrites] == [
        "version 1 → 2: name is now title (f:1:1)",
        "version 1 → 2: obsolete was removed (f:2:1)",
        "version 2 → 3: port is now server.port (f:3:1)",
        "version 2 → 3: server.tls was set (f:1:1)",
    ]


def test_an_error_in_a_migrated_value_points_to_where_it_is_written() -> None:
    with pytest.raises(ConfigError) as caught:
        load(Settings, [YamlText("a: 1\nport: many", "f")], migration=MIGRATION)
    assert str(caught.value).startswith("server.port: input should be a valid integer")
    assert str(caught.value).endswith("at f:2:7")


def test_a_profile_file_is_of_the_main_files_version_and_the_environment_of_todays() -> None:
    sources: list[Source] = [
        YamlText("config_version: 1\nname: a", "main"),
        YamlText("name: b\nport: 5", "profile"),
        Environment(environ={"HXP__SERVER__TLS": "true"}),
    ]
    value = load(Settings, sources, migration=MIGRATION).value
    assert (value.title, value.server, value.config_version) == ("b", Server(port=5, tls=True), 3)
    todays = load(Settings, [YamlText("config_version: 3\ntitle: x", "f")], migration=MIGRATION)
    assert (todays.value.title, todays.rewrites) == ("x", ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x: 1\nconfig_version: 4",
            "config_version is 4, this program knows versions up to 3; use a newer program at f:2:17",
        ),
        ("config_version: soon", "must be a whole number from 1 on, not 'soon' at f:1:17"),
        ("name: a\ntitle: b", "'name' cannot become 'title', which is there, too; remove one of them at f:1:1"),
    ],
)
def test_what_cannot_be_migrated_names_the_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Settings, [YamlText(text, "f")], migration=MIGRATION)
    assert message in str(caught.value)
    assert isinstance(caught.value.__cause__, MigrationError)


class Behind(BaseModel):
    model_config = ConfigDict(extra="allow")


@migrates(Behind, 1, 2)
def behind_the_drafts_back(draft: Draft) -> None:
    draft.data["made"] = {"x": [1, {"y": 2}]}
    draft.data["section"] = "now a text"
    draft.data.pop("gone", None)
    draft.set("whole", {"a": [1]})


def test_what_a_step_does_behind_its_drafts_back_is_in_force_all_the_same() -> None:
    text = "gone: 1\nsection: {a: 1}\nkept: {b: [1, 2]}"
    snapshot = load(Behind, [YamlText(text, "f")], migration=Migration(migrations_of(Behind)))
    extra = snapshot.value.model_extra
    assert extra == {
        "section": "now a text",
        "kept": {"b": [1, 2]},
        "made": {"x": [1, {"y": 2}]},
        "whole": {"a": [1]},
    }
    assert str(snapshot.origin("kept.b.1")) == "f:3:15"
    assert snapshot.origin("made.x.1.y").source == "f"


SCALARS = st.integers(0, 9) | st.booleans() | st.text("ab", max_size=2)


@given(st.dictionaries(st.sampled_from(["name", "port", "obsolete", "x", "y"]), SCALARS, max_size=5))
def test_the_tree_says_what_the_chain_says(document: dict[str, Any]) -> None:
    loaded = load(dict[str, Any], [YamlText(json.dumps(document), "f")], migration=MIGRATION)
    expected = migrations_of(Settings).migrate(document, version_field="config_version").data
    expected.pop("config_version")
    assert loaded.value == expected


def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "hxp.yaml"
    path.write_text(OLD)
    path.chmod(0o640)
    return path


def test_a_file_is_rewritten_with_its_comments(tmp_path: Path) -> None:
    path = old_file(tmp_path)
    planned = migrate_file(path, MIGRATION)
    assert path.read_text() == OLD
    planned.write()
    text = path.read_text()
    for kept in (
        "# The head.",
        "title: demo",
        "# the name",
        "# What it listens on.",
        "# kept as it is",
        "quoted: 'single'",
    ):
        assert kept in text
    assert "name:" not in text
    assert "obsolete" not in text
    before = load(Settings, [YamlText(OLD, "f")], migration=MIGRATION).value
    assert load(Settings, [File(path)], migration=MIGRATION).value == before
    assert path.stat().st_mode & 0o777 == 0o640
    assert [child.name for child in tmp_path.iterdir()] == ["hxp.yaml"]
    again = migrate_file(path, MIGRATION)
    assert (again.rewrites, again.text) == ((), text)


def test_a_file_without_a_version_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "hxp.yaml"
    path.write_text("# head\nname: a\n")
    planned = migrate_file(path, MIGRATION)
    assert "config_version: 3" in planned.text
    path.write_text("")
    assert migrate_file(path, MIGRATION) == FileMigration(path, "", ())


def test_what_cannot_be_rewritten_is_refused_and_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_file(tmp_path)
    with pytest.raises(ConfigError, match="edit it by hand"):
        migrate_file(path, Migration(migrations_of(Behind), "v"))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        migrate_file(tmp_path / "gone", MIGRATION)
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    with pytest.raises(ConfigError, match=r"pip install 'hxp-config\[migrate\]'"):
        migrate_file(path, MIGRATION)
    assert path.read_text() == OLD


@pytest.mark.parametrize("step", ["fdopen", "fchmod", "fsync", "replace"])
def test_a_write_that_fails_at_any_step_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """C8, D3."""
    path = old_file(tmp_path)
    planned = migrate_file(path, MIGRATION)

    def fail(*arguments: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(f"os.{step}", fail)
        with pytest.raises(OSError, match="No space left"):
            planned.write()
    assert path.read_text() == OLD
    assert [child.name for child in tmp_path.iterdir()] == ["hxp.yaml"]


KILLED = """
import os, sys
from pathlib import Path
from hxp_config import FileMigration

def kill(*arguments, **named):
    os.kill(os.getpid(), 9)

setattr(os, sys.argv[2], kill)
FileMigration(Path(sys.argv[1]), "new: 1\\n", ()).write()
"""


@pytest.mark.parametrize(("step", "left"), [("fchmod", OLD), ("fsync", OLD), ("replace", OLD), ("close", "new: 1\n")])
def test_killed_at_any_step_it_leaves_the_old_or_the_new_file_whole(tmp_path: Path, step: str, left: str) -> None:
    """C8."""
    path = old_file(tmp_path)
    ran = subprocess.run([sys.executable, "-c", KILLED, path, step], check=False)
    assert ran.returncode == -9
    assert path.read_text() == left
    assert os.fspath(path)


def test_a_linked_file_is_rewritten_where_it_lies(tmp_path: Path) -> None:
    path = old_file(tmp_path)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    migrate_file(link, MIGRATION).write()
    assert link.is_symlink()
    assert "config_version: 3" in path.read_text()
