"""Files of every format, those that they include, dotenv files and secrets directories."""

import json
import math
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hxp_config import ConfigError, DotenvFile, File, ParseCache, SecretsDirectory, Source, Text, load, standard_sources
from hypothesis import given
from hypothesis import strategies as st

AnyMapping = dict[str, Any]


def read(*sources: Source) -> AnyMapping:
    return load(AnyMapping, sources).value


def refused(*sources: Source) -> str:
    with pytest.raises(ConfigError) as caught:
        read(*sources)
    return str(caught.value)


TOML = """\
title = "x" # comment
"quoted key" = 'literal # no comment'
ports = [1, 2,
  3] # three
text = \"\"\"
two "" lines
\"\"\"
inline = { a = 1, "b.c" = [ { d = "}" } ] }
dotted.key.deep = 1e5
when = 2026-11-23T12:00:00Z

[server.limits]  # header
rate = 0x1F

[[upstream]]
name = "a"
[upstream.auth]
token = ''
[[upstream]]
name = "b"
"""


def test_toml_says_what_tomllib_says_and_knows_its_places() -> None:
    snapshot = load(AnyMapping, [Text(TOML, "t.toml", "toml")])
    assert snapshot.value == tomllib.loads(TOML)
    places = {
        "title": "1:9",
        '"quoted key"': "2:16",
        "ports.2": "3:9",
        "text": "5:8",
        'inline."b.c".0.d': "8:10",
        "dotted.key.deep": "9:19",
        "when": "10:8",
        "server.limits.rate": "13:8",
        "upstream.0.name": "16:8",
        "upstream.0.auth.token": "18:9",
        "upstream.1.name": "20:8",
    }
    assert {
        path: f"{origin.line}:{origin.column}" for path, origin in snapshot.origins().items() if path in places
    } == places
    assert str(snapshot.origin("server")) == "t.toml:12:1"
    assert snapshot.origin("title").raw == '"x"'


JSON = '{\n\t"a": 1e5, "b": {"c": [1, "x\\u00e9", null]},\n "d": 12e-1, "e": "0123", "f": true, "yes": "no"}'


def test_json_says_what_json_says_and_knows_its_places() -> None:
    snapshot = load(AnyMapping, [Text(JSON, "j.json", "json")])
    assert snapshot.value == json.loads(JSON)
    assert str(snapshot.origin("b.c.1")) == "j.json:2:27"
    assert str(snapshot.origin("yes")) == "j.json:3:45"
    assert read(Text("", "j.json", "json")) == {}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="$"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc-_ é.", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), VALUES, max_size=4), st.sampled_from([None, 2]))
def test_any_json_is_read_as_json_reads_it(document: AnyMapping, indent: int | None) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    assert read(Text(text, "j", "json")) == document


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        (
            "json",
            '{"a": 1,}',
            "not valid JSON: illegal trailing comma before end|not valid JSON: expecting property name",
        ),
        ("json", '{"a": NaN}', "not valid JSON: NaN is not JSON at t"),
        ("json", '{"a": 1, "a": 2}', "a: duplicate key, first at line 1 at t:1:10"),
        ("json", "[1]", "the top level must be a mapping at t:1:1"),
        ("json", "[" * 100_000, "nested deeper than 100 levels at t"),
        ("json", '{"a": ' + "9" * 5000 + "}", "not valid JSON: Exceeds the limit"),
        ("toml", "a = ", "not valid TOML: invalid value at t:1:5|not valid TOML: invalid value at t"),
        ("toml", "a = 1\na = 2", "not valid TOML: cannot overwrite a value at t"),
        ("toml", "a = " + "[" * 50_000, "nested deeper than 100 levels at t|not valid TOML"),
        ("toml", "x = 1\na = " + "9" * 5000, "a number has more than 4300 digits at t:2:1"),
    ],
)
def test_what_is_not_well_formed_names_the_place(form: Any, text: str, message: str) -> None:
    assert any(one in refused(Text(text, "t", form)) for one in message.split("|"))


def test_an_empty_toml_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("# nothing\n")
    assert read(File(tmp_path / "a.toml")) == {}


def test_a_files_ending_says_its_format(tmp_path: Path) -> None:
    for name, text in (
        ("a.yaml", "v: 1"),
        ("a.yml", "v: 1"),
        ("a.json", '{"v": 1}'),
        ("a.toml", "v = 1"),
        ("a.conf", "v: 1"),
    ):
        (tmp_path / name).write_text(text)
        assert read(File(tmp_path / name)) == {"v": 1}


def test_included_files_are_weaker_and_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "hxp.yaml").write_text("include: [sub/a.yaml, b.json]\nx: main")
    (tmp_path / "sub/a.yaml").write_text("include: c.toml\nx: a\ny: a")
    (tmp_path / "sub/c.toml").write_text('y = "c"\nz = "c"')
    (tmp_path / "b.json").write_text('{"y": "b"}')
    source = File(tmp_path / "hxp.yaml", include="include")
    assert read(source) == {"x": "main", "y": "b", "z": "c"}
    assert [path.name for path in source.files()] == ["hxp.yaml", "a.yaml", "c.toml", "b.json"]
    before = source.state()
    (tmp_path / "sub/c.toml").write_text('y = "c"\nz = "d"')
    assert source.state() != before
    assert read(File(tmp_path / "b.json", include="include")) == {"y": "b"}
    assert "include" in read(File(tmp_path / "hxp.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("include: hxp.yaml", "'hxp.yaml' includes itself, directly or not"),
        ("include: other.yaml", "'hxp.yaml' includes itself, directly or not"),
        ("include: {a: 1}", "include: must be a path or a list of paths"),
        ("include: [1]", "include: must be a path or a list of paths"),
        ("include: gone.yaml", "the file does not exist"),
        ("include: [" + ", ".join(["leaf.yaml"] * 70) + "]", "more than 64 files are included"),
    ],
)
def test_an_include_that_cannot_be_followed_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "hxp.yaml").write_text(text)
    (tmp_path / "other.yaml").write_text("include: hxp.yaml")
    (tmp_path / "leaf.yaml").write_text("a: 1")
    source = File(tmp_path / "hxp.yaml", include="include")
    assert message in refused(source)
    assert message in str(source.state())
    assert source.files()


DOTENV = """\
# a comment
HXP__A=1
export HXP__B__C = two words # comment
HXP__D='single $x \\n'
HXP__E="double \\"quoted\\" \\\\ \\t
second line"  # comment
HXP__F=
OTHER=x
   HXP__G=http://x#y
"""


def test_a_dotenv_file_is_read_like_the_environment_with_its_places(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(DOTENV)
    snapshot = load(AnyMapping, [DotenvFile(path)])
    assert snapshot.value == {
        "a": 1,
        "b": {"c": "two words"},
        "d": "single $x \\n",
        "e": 'double "quoted" \\ \t\nsecond line',
        "f": "",
        "g": "http://x#y",
    }
    assert str(snapshot.origin("b.c")) == f"{path}:3:20"
    assert str(snapshot.origin("g")) == f"{path}:9:11"
    assert DotenvFile(path).variables()["OTHER"] == "x"
    assert read(DotenvFile(path, prefix="NONE")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\n  nonsense", "is not an assignment, write NAME=value at {}:2:3"),
        ('A="open', "the quote never ends at {}:1:3"),
        ("A='x' y", "something stands behind the closing quote at {}:1:3"),
        ("HXP__A__=1", "a part of the name is empty at {}:1:10"),
    ],
)
def test_a_dotenv_file_that_cannot_be_read_names_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    assert refused(DotenvFile(path)) == message.format(path)


def test_a_dotenv_file_may_be_absent_unless_it_must_be_there(tmp_path: Path) -> None:
    assert read(DotenvFile(tmp_path / ".env")) == {}
    assert "the file does not exist" in refused(DotenvFile(tmp_path / ".env", optional=False))
    assert "Is a directory" in refused(DotenvFile(tmp_path))
    assert DotenvFile(tmp_path / ".env").state() != DotenvFile(tmp_path).state()
    assert DotenvFile(tmp_path / ".env").files() == [tmp_path / ".env"]


def test_a_secrets_directory_has_one_file_a_value(tmp_path: Path) -> None:
    """As Kubernetes mounts it: a link to a folder that is swapped as a whole."""
    real = tmp_path / "..2026"
    real.mkdir()
    (real / "services__gateway__api-token").write_text("canary-1: [x\n")
    (real / "HXP__PIN").write_text("0123")
    (tmp_path / "..data").symlink_to("..2026")
    for name in ("services__gateway__api-token", "HXP__PIN"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    source = SecretsDirectory(tmp_path)
    snapshot = load(AnyMapping, [Text("services: {gateway: {api_token: x}}", "f"), source])
    assert snapshot.value == {"services": {"gateway": {"api_token": "canary-1: [x"}}, "pin": "0123"}
    assert "canary" not in snapshot.explain("services.gateway.api_token") + repr(snapshot)
    assert "0123" not in snapshot.explain("pin")
    assert source.files() == [tmp_path]
    before = source.state()
    (real / "HXP__PIN").write_text("4567")
    assert source.state() != before


def test_a_secrets_directory_that_cannot_be_read_names_the_file_and_no_value(tmp_path: Path) -> None:
    """C7."""
    (tmp_path / "large").write_text("canary" * 20_000)
    (tmp_path / "binary").write_bytes(b"canary \xff")
    told = refused(SecretsDirectory(tmp_path))
    assert f"larger than 65536 bytes at {tmp_path}/large" in told
    assert f"is not UTF-8 at {tmp_path}/binary:1:8" in told
    assert "canary" not in told
    assert read(SecretsDirectory(tmp_path / "gone")) == {}
    assert "the directory does not exist" in refused(SecretsDirectory(tmp_path / "gone", optional=False))
    assert "Not a directory" in refused(SecretsDirectory(tmp_path / "large"))
    assert SecretsDirectory(tmp_path / "large").state()


def test_the_standard_sources_are_read_in_the_order_that_everybody_expects(tmp_path: Path) -> None:
    order = ["file", "profiled", "dotenv", "environment", "secret", "override"]
    keys = {key: {later: order.index(key) for later in order[order.index(key) :]} for key in order}
    (tmp_path / "hxp.yaml").write_text(yaml.safe_dump({"profile": "prod", **keys["file"]}))
    (tmp_path / "hxp.prod.yaml").write_text(yaml.safe_dump(keys["profiled"]))
    (tmp_path / ".env").write_text("".join(f"HXP__{key.upper()}={value}\n" for key, value in keys["dotenv"].items()))
    environ = {f"HXP__{key.upper()}": str(value) for key, value in keys["environment"].items()}
    (tmp_path / "run").mkdir()
    for key, number in keys["secret"].items():
        (tmp_path / "run" / key).write_text(str(number))
    environ["HXP_SECRETS_DIR"] = str(tmp_path / "run")
    value = read(*standard_sources(tmp_path, overrides=["override=5"], environ=environ))
    assert {key: int(value[key]) for key in order} == {key: order.index(key) for key in order}


@pytest.mark.parametrize("ending", ["yaml", "yml", "json", "toml"])
def test_a_profile_is_given_looked_up_or_none(tmp_path: Path, ending: str) -> None:
    text = {"json": '{"x": 1}', "toml": "x = 1"}.get(ending, "x: 1")
    (tmp_path / f"app.test.{ending}").write_text(text)

    def at(**options: Any) -> AnyMapping:
        return read(*standard_sources(tmp_path, name="app", prefix="APP", **{"environ": {}, **options}))

    assert at() == {}
    assert at(profile="test") == {"x": 1, "profile": "test"}
    assert at(environ={"APP_PROFILE": "test"}) == {"x": 1, "profile": "test"}
    assert at(overrides=["profile=test"]) == {"x": 1, "profile": "test"}
    (tmp_path / ".env").write_text("APP_PROFILE=test")
    assert at() == {"x": 1, "profile": "test"}


def cached(tmp_path: Path, text: str) -> tuple[ParseCache, Path]:
    path = tmp_path / "hxp.yaml"
    path.write_text(text)
    cache = ParseCache(tmp_path / "cache")
    return cache, path


def entries(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").glob("*")) if (tmp_path / "cache").exists() else []


def test_an_unchanged_file_is_not_parsed_again_even_by_the_next_process(tmp_path: Path) -> None:
    text = "a: {b: [1, x, 2.5, null, true]}\nc+: [1]\n"
    cache, path = cached(tmp_path, text)
    first = load(AnyMapping, [File(path, cache=cache)])
    second = load(AnyMapping, [File(path, cache=cache)])
    fresh = ParseCache(tmp_path / "cache")
    third = load(AnyMapping, [File(path, cache=fresh)])
    assert first.value == second.value == third.value == {"a": {"b": [1, "x", 2.5, None, True]}, "c": [1]}
    assert (cache.hits, cache.misses, fresh.hits, fresh.misses) == (1, 1, 1, 0)
    assert first.origins() == third.origins()
    path.write_text(text.replace("x", "y"))
    assert load(AnyMapping, [File(path, cache=fresh)]).value["a"]["b"][1] == "y"


def test_the_cache_on_disk_is_safe_to_damage_delete_and_forbid(tmp_path: Path) -> None:
    cache, path = cached(tmp_path, "a: 1")
    load(AnyMapping, [File(path, cache=cache)])
    (entry,) = entries(tmp_path)
    assert entry.stat().st_mode & 0o077 == 0
    for damage in (b"", b"{", b"[]", b'{"root": [], "traits": []}', b'{"root": [1,2,3,4], "traits": 5}', b"\xff"):
        entry.write_bytes(damage)
        assert load(AnyMapping, [File(path, cache=ParseCache(tmp_path / "cache"))]).value == {"a": 1}
    entry.unlink()
    assert load(AnyMapping, [File(path, cache=ParseCache(tmp_path / "cache"))]).value == {"a": 1}
    assert load(AnyMapping, [File(path, cache=ParseCache(path / "no-folder"))]).value == {"a": 1}


@pytest.mark.parametrize(
    "text", ["api_key: canary", "a: {db-password: canary}", "url: postgres://u:canary@h/d", "token: [canary]"]
)
def test_the_cache_on_disk_never_holds_a_secret(tmp_path: Path, text: str) -> None:
    cache, path = cached(tmp_path, text)
    load(AnyMapping, [File(path, cache=cache)])
    assert entries(tmp_path) == []
    path.write_text("api_key: env:API_KEY")
    load(AnyMapping, [File(path, cache=cache)])
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize("text", ["a: 2026-11-23", "1: x", "a: .nan", "a: !!binary aGk=", "a: !!set {x}"])
def test_what_json_cannot_hold_is_parsed_each_time(tmp_path: Path, text: str) -> None:
    cache, path = cached(tmp_path, text)
    value = load(dict[Any, Any], [File(path, cache=cache)]).value
    again = load(dict[Any, Any], [File(path, cache=ParseCache(tmp_path / "cache"))]).value
    assert value == again or any(isinstance(one, float) and math.isnan(one) for one in again.values())


def test_the_cache_in_memory_keeps_a_bounded_number(tmp_path: Path) -> None:
    cache = ParseCache()
    path = tmp_path / "a.yaml"
    for number in range(300):
        path.write_text(f"a: {number}")
        load(AnyMapping, [File(path, cache=cache)])
    assert len(cache._entries) == 256
    assert os.fspath(path)
