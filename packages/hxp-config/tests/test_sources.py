"""Where a configuration is read from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hxp_config import ConfigError, Defaults, Environment, Overrides, Source, YamlFile, YamlText, load

if TYPE_CHECKING:
    from pathlib import Path

AnyMapping = dict[str, Any]


def read(*sources: Source) -> AnyMapping:
    return load(AnyMapping, sources).value


def refused(*sources: Source) -> str:
    with pytest.raises(ConfigError) as caught:
        read(*sources)
    return str(caught.value)


def test_every_source_is_a_source(tmp_path: Path) -> None:
    for source in (YamlFile(tmp_path), YamlText("", "x"), Environment(), Overrides([]), Defaults({})):
        assert isinstance(source, Source)


def test_without_sources_the_model_stands_alone() -> None:
    assert read() == {}


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hxp.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(YamlFile(path)) == read(YamlFile(str(path))) == {"a": 1}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null", "~"])
def test_an_empty_file_says_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hxp.yaml"
    path.write_text(text)
    if text in {"null", "~"}:
        assert "the top level must be a mapping" in refused(YamlFile(path))
    else:
        assert read(Defaults({"a": 1}), YamlFile(path)) == {"a": 1}


def test_an_absent_file_is_refused_unless_it_is_optional(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    assert refused(YamlFile(path)) == f"the file does not exist at {path}"
    assert read(YamlFile(path, optional=True)) == {}


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    """C5."""
    loop, pipe, large = tmp_path / "loop", tmp_path / "pipe", tmp_path / "large"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(100 << 20)
    assert "cannot be read: Is a directory" in refused(YamlFile(tmp_path, optional=True))
    assert "cannot be read: Too many levels of symbolic links" in refused(YamlFile(loop, optional=True))
    assert "cannot be read: not a regular file" in refused(YamlFile(pipe))
    assert "cannot be read: larger than 1048576 bytes" in refused(YamlFile(large))
    assert "larger than 1048576 bytes at big" in refused(YamlText("#" * (1 << 20) + "\n", "big"))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count)
    for _ in range(10):
        refused(YamlFile(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 (a count)


@pytest.mark.parametrize(("data", "place"), [(b"a: 1\nb: \xc3\xa9 \xff", "2:6"), ("a: 1".encode("utf-16"), "1:1")])
def test_what_is_not_utf_8_is_refused_with_its_place(tmp_path: Path, data: bytes, place: str) -> None:
    path = tmp_path / "hxp.yaml"
    path.write_bytes(data)
    assert refused(YamlFile(path)) == f"is not UTF-8 at {path}:{place}"


def test_the_top_level_is_a_mapping() -> None:
    assert refused(YamlText("- a", "x.yaml")) == "the top level must be a mapping at x.yaml:1:1"


def test_environment_variables_are_nested_by_two_underscores() -> None:
    environ = {"HXP__A__B": "1", "HXP__A__C_D": "x", "HXP_PROFILE": "no", "HXPA__B": "no", "OTHER": "no"}
    assert read(Environment(environ=environ)) == {"a": {"b": 1, "c_d": "x"}}
    assert read(Environment("OTHER", environ={"OTHER__X": "1"})) == {"x": 1}


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HXPTEST__A", "1")
    assert read(Environment("HXPTEST")) == {"a": 1}


def test_an_environment_variable_finds_an_existing_key_that_is_written_differently() -> None:
    base = YamlText("my-service: {maxTokens: 1}\nmy_service: 3\nother-one: {x-y: 1}", "f")
    environ = {"HXP__MY_SERVICE": "4", "HXP__OTHER_ONE__X_Y": "2", "HXP__OTHER_ONE__NEW_KEY": "5"}
    assert read(base, Environment(environ=environ)) == {
        "my-service": {"maxTokens": 1},
        "my_service": 4,
        "other-one": {"x-y": 2, "new_key": 5},
    }
    again = Environment(environ={"HXP__A__MAXTOKENS": "2"})
    assert read(YamlText("a: {maxTokens: 1}", "f"), again) == {"a": {"maxTokens": 2}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9000", 9000),
        ("yes", True),
        ("null", None),
        ("", ""),
        (" padded ", " padded "),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("a: b", "a: b"),
        ("secret #1", "secret #1"),
        ("*star", "*star"),
        ("[1, two]", [1, "two"]),
        ('{"a": {"b": [true]}}', {"a": {"b": [True]}}),
        ('"9000"', "9000"),
        ("'it''s'", "it's"),
    ],
)
def test_a_value_that_comes_as_text_is_a_plain_scalar_or_json(text: str, value: object) -> None:
    assert read(Environment(environ={"HXP__A": text})) == read(Overrides([f"a={text}"])) == {"a": value}


def test_a_value_that_cannot_be_read_is_refused_without_showing_it() -> None:
    """C7."""
    environ = {"HXP__A": "[canary", "HXP__B": "2001-99-99", "HXP____C": "canary", "HXP__": "canary"}
    assert refused(Environment(environ=environ)).splitlines() == [
        "4 problems in the configuration:",
        "  a part of the name is empty at HXP__",
        "  the value is neither JSON nor YAML, quote it if it is a text at HXP__A",
        "  the value is not a valid timestamp at HXP__B",
        "  a part of the name is empty at HXP____C",
    ]
    assert "canary" not in refused(Overrides(["a={canary"]))


def test_longer_names_refine_shorter_ones() -> None:
    environ = {"HXP__A": '{"x": 1, "y": 1}', "HXP__A__X": "2"}
    assert read(Environment(environ=environ)) == {"a": {"x": 2, "y": 1}}


def test_overrides_assign_by_path() -> None:
    assert read(YamlText("a: {b: 1, c: 1}", "f"), Overrides(["a.b=2", 'a."x.y"=3', "a.d=p=q"])) == {
        "a": {"b": 2, "c": 1, "x.y": 3, "d": "p=q"}
    }


def test_a_malformed_override_is_refused() -> None:
    assert refused(Overrides(["a", "=1", "a..b=1"], source="-c")).splitlines() == [
        "3 problems in the configuration:",
        "  'a' is not an assignment, write path=value at -c",
        "  '' is not a path: expected a key at character 1 at -c",
        "  'a..b' is not a path: expected a key at character 3 at -c",
    ]


def test_later_sources_win_mappings_merge_and_lists_replace() -> None:
    first = Defaults({"a": {"x": 1, "l": [1, 2], "t": (1,)}, "s": {"k": 1}})
    second = YamlText("a: {l: [3], y: 2}\ns: text", "f")
    assert read(first, second) == {"a": {"x": 1, "l": [3], "t": [1], "y": 2}, "s": "text"}
    assert read(second, first) == {"a": {"x": 1, "l": [1, 2], "t": [1], "y": 2}, "s": {"k": 1}}


def test_problems_of_all_sources_are_told_at_once() -> None:
    text = refused(YamlText("a: [", "one"), Overrides(["b"]), Environment(environ={"HXP__C": "{"}))
    assert text.startswith("3 problems")


def test_sources_do_not_show_what_they_hold() -> None:
    """L4."""
    for source in (
        YamlText("k: canary", "x"),
        Environment(environ={"HXP__K": "canary"}),
        Overrides(["k=canary"]),
        Defaults({"k": "canary"}),
    ):
        assert "canary" not in repr(source)
