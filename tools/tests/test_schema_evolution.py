"""A change of a schema asks for the version that AIP-180 says it does."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.schema_evolution import ROOT, Bump, Change, compare, main, needed_version, schemas_of

OLD: dict[str, Any] = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "string", "maxLength": 10, "minLength": 2},
        "b": {"type": "integer", "default": 3},
        "c": {"enum": ["x", "y"]},
        "d": {"$ref": "#/$defs/Inner"},
        "e": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}]}},
        "f": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "$defs": {"Inner": {"type": "object", "properties": {"i": {"type": "string"}, "self": {"$ref": "#/$defs/Inner"}}}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return OLD with the value at a dotted path replaced, or taken out if it is None."""
    new: dict[str, Any] = json.loads(json.dumps(OLD))
    *above, last = path.split("/")
    holder = new
    for name in above:
        holder = holder[name]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return new


def bump_of(path: str, value: Any, model: str = "Answer") -> Bump | None:
    return max((change.bump for change in compare({model: OLD}, {model: changed(path, value)})), default=None)


@pytest.mark.parametrize(
    ("path", "value", "answer", "request_"),
    [
        ("properties/a/maxLength", 10, None, None),
        ("properties/a/description", "new", None, None),
        ("properties/b", None, Bump.MAJOR, Bump.MAJOR),
        ("properties/z", {"type": "string"}, Bump.MINOR, Bump.MINOR),
        ("properties/a/type", "integer", Bump.MAJOR, Bump.MAJOR),
        ("properties/a/pattern", "^x$", Bump.MAJOR, Bump.MAJOR),
        ("properties/a/maxLength", 5, Bump.MINOR, Bump.MAJOR),
        ("properties/a/maxLength", 20, Bump.MAJOR, Bump.MINOR),
        ("properties/a/maxLength", None, Bump.MAJOR, Bump.MINOR),
        ("properties/a/minLength", 3, Bump.MINOR, Bump.MAJOR),
        ("properties/a/minLength", 1, Bump.MAJOR, Bump.MINOR),
        ("properties/b/maximum", 9, Bump.MINOR, Bump.MAJOR),
        ("properties/b/default", 4, Bump.MAJOR, Bump.MAJOR),
        ("properties/c/enum", ["x"], Bump.MAJOR, Bump.MAJOR),
        ("properties/c/enum", ["x", "y", "z"], Bump.MINOR, Bump.MINOR),
        ("properties/c", {}, Bump.MAJOR, Bump.MINOR),
        ("required", ["a", "b"], Bump.MINOR, Bump.MAJOR),
        ("required", [], Bump.MAJOR, Bump.MINOR),
        ("additionalProperties", False, Bump.MAJOR, Bump.MAJOR),
        ("$defs/Inner/properties/i/type", "integer", Bump.MAJOR, Bump.MAJOR),
        ("properties/e/items/anyOf", [{"type": "null"}], Bump.MAJOR, Bump.MAJOR),
        (
            "properties/e/items/anyOf",
            [{"$ref": "#/$defs/Inner"}, {"type": "null"}, {"type": "string"}],
            Bump.MINOR,
            Bump.MINOR,
        ),
        ("properties/f/additionalProperties/type", "string", Bump.MAJOR, Bump.MAJOR),
    ],
)
def test_each_change_asks_for_its_bump(path: str, value: Any, answer: Bump | None, request_: Bump | None) -> None:
    """What narrows hurts those who send; what widens hurts those who read."""
    assert bump_of(path, value) is answer
    assert bump_of(path, value, "ThingRequest") is request_


def test_a_new_required_field_breaks_those_who_send() -> None:
    new = changed("properties/z", {"type": "string"})
    new["required"] = ["a", "z"]
    assert [change.bump for change in compare({"XRequest": OLD}, {"XRequest": new})] == [Bump.MAJOR]
    assert [change.bump for change in compare({"X": OLD}, {"X": new})] == [Bump.MINOR]


def test_models_come_and_go_and_the_gravest_change_is_told_first() -> None:
    assert compare({"A": OLD, "B": OLD}, {"B": OLD, "C": OLD}) == [
        Change("A", "the model is gone", Bump.MAJOR),
        Change("C", "a new model", Bump.MINOR),
    ]


@pytest.mark.parametrize(
    ("released", "bump", "needed"),
    [
        ("1.2.3", None, "1.2.3"),
        ("1.2.3", Bump.PATCH, "1.2.4"),
        ("1.2.3", Bump.MINOR, "1.3.0"),
        ("1.2.3", Bump.MAJOR, "2.0.0"),
        ("0.2.3", Bump.MINOR, "0.2.4"),
        ("0.2.3", Bump.MAJOR, "0.3.0"),
    ],
)
def test_a_version_is_raised_as_semver_has_it(released: str, bump: Bump | None, needed: str) -> None:
    changes = [] if bump is None else [Change("a", "b", bump)]
    assert needed_version(released, changes) == needed


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clone's worth of git around a package of one model."""
    package = tmp_path / "packages/hxp-schemas"
    (package / "src/hxp_schemas").mkdir(parents=True)
    (package / "pyproject.toml").write_text('[project]\nname = "hxp-schemas"\nversion = "0.1.0"\n')
    write(tmp_path, "a: int")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def write(root: Path, field: str) -> None:
    text = f"import pydantic\n\n__all__ = ['M']\n\nclass M(pydantic.BaseModel):\n    {field}\n"
    (root / "packages/hxp-schemas/src/hxp_schemas/__init__.py").write_text(text)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", root, "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x", "--no-gpg-sign")


def test_without_a_release_there_is_nothing_to_compare_with(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], root=repository) == 0
    assert "nothing to compare with" in capsys.readouterr().out
    assert main(["--json"], root=repository) == 0
    assert json.loads(capsys.readouterr().out) == {"against": None}


def test_a_break_since_the_last_tag_needs_a_higher_version(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "hxp-schemas-v0.1.0")
    assert main(["--check"], root=repository) == 0
    write(repository, "a: str")
    capsys.readouterr()
    assert main(["--check"], root=repository) == 1
    out = capsys.readouterr().out
    assert "major  hxp_schemas.M.a: type was 'integer' and is 'string'" in out
    assert "1 changes since hxp-schemas-v0.1.0; the next version is 0.2.0 at least, pyproject.toml has 0.1.0" in out
    project = repository / "packages/hxp-schemas/pyproject.toml"
    project.write_text(project.read_text().replace("0.1.0", "0.2.0"))
    assert main(["--check"], root=repository) == 0


def test_a_source_changed_within_a_second_is_not_taken_from_its_bytecode(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytecode is told apart by seconds and size; both are equal here."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    source = repository / "packages/hxp-schemas/src"
    module = source / "hxp_schemas/__init__.py"
    written = module.stat()
    before = schemas_of(source)
    write(repository, "a: str")
    os.utime(module, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert schemas_of(source) != before


def test_any_commit_can_be_compared_with_for_a_program(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, "a: int; b: int = 0")
    assert main(["--against", "HEAD", "--json"], root=repository) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changes"] == [{"where": "hxp_schemas.M.b", "what": "a new field", "bump": "minor"}]
    assert (told["needed"], told["enough"]) == ("0.1.1", False)


def test_a_package_that_cannot_be_imported_is_an_error(repository: Path) -> None:
    shutil.rmtree(repository / "packages/hxp-schemas/src/hxp_schemas")
    (repository / "packages/hxp-schemas/src/hxp_schemas.py").write_text("raise RuntimeError")
    with pytest.raises(subprocess.CalledProcessError):
        schemas_of(repository / "packages/hxp-schemas/src")


def test_every_public_model_of_the_package_is_looked_at() -> None:
    names = schemas_of(ROOT / "packages/hxp-schemas/src")
    assert {
        "hxp_schemas.UsageRecord",
        "hxp_schemas.openai.ChatCompletionRequest",
        "hxp_schemas.deployment.Timeouts",
    } <= set(names)
