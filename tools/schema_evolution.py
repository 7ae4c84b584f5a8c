"""Compare the JSON Schemas of hxp-schemas with its last release, and say which version the next one needs.

The rules are those of AIP-180 (backwards compatibility): what a client wrote against the old schemas goes on working.
Schemas of both sides are made by importing the package, the old one from git.

    python tools/schema_evolution.py                     # against the last tag hxp-schemas-v*
    python tools/schema_evolution.py --against HEAD~5    # or any commit
    python tools/schema_evolution.py --check             # fail if pyproject.toml has a lower version than needed
"""

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = "packages/hxp-schemas"
TAGS = "hxp-schemas-v"
_RECEIVED = re.compile(
    r"(Request|Param|Config|ConfigSchema|Options|Deployment|Probe|Probes|Resources|RestartBudget|Timeouts)$"
)
_EXPORT = """
import importlib, json, pkgutil, sys, pydantic, hxp_schemas
schemas = {}
for info in [None, *pkgutil.walk_packages(hxp_schemas.__path__, "hxp_schemas.")]:
    module = importlib.import_module(info.name if info else "hxp_schemas")
    for name in () if module.__name__.rpartition(".")[2].startswith("_") else getattr(module, "__all__", ()):
        model = getattr(module, name)
        if isinstance(model, type) and issubclass(model, pydantic.BaseModel):
            schemas[f"{module.__name__}.{name}"] = model.model_json_schema()
json.dump(schemas, sys.stdout)
"""
Schema = Mapping[str, Any]


class Bump(IntEnum):
    """Which part of a version a change raises."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        where: The model and the path within it: `hxp_schemas.UsageRecord.model`.
        what: A sentence.
        bump: What it asks for.
    """

    where: str
    what: str
    bump: Bump


def compare(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[Change]:
    """Find what has changed between the schemas of two versions.

    Args:
        old: JSON Schemas by the models' public names.
        new: The same, later.

    Returns:
        The changes, the gravest first.
    """
    changes = [Change(name, "the model is gone", Bump.MAJOR) for name in old.keys() - new.keys()]
    changes += [Change(name, "a new model", Bump.MINOR) for name in new.keys() - old.keys()]
    for name in old.keys() & new.keys():
        received = _RECEIVED.search(name) is not None
        changes += _Comparison(old[name], new[name], received=received).of(name, old[name], new[name])
    return sorted(set(changes), key=lambda change: (-change.bump, change.where, change.what))


def needed_version(released: str, changes: list[Change]) -> str:
    """Raise a version as the changes ask; before 1.0 a break raises the minor and an addition the patch version."""
    major, minor, patch = (int(part) for part in released.split("."))
    bump = max((change.bump for change in changes), default=None)
    if bump is None:
        return released
    if major == 0:
        bump = Bump(max(bump - 1, 0))
    return {
        Bump.MAJOR: f"{major + 1}.0.0",
        Bump.MINOR: f"{major}.{minor + 1}.0",
        Bump.PATCH: f"{major}.{minor}.{patch + 1}",
    }[bump]


@dataclass(frozen=True)
class _Comparison:
    """One model in both versions; `received` is true for what clients send us, where narrowing hurts, not widening."""

    old: Schema
    new: Schema
    received: bool

    def of(self, where: str, old: Schema, new: Schema, seen: frozenset[str] = frozenset()) -> Iterator[Change]:
        reference = old.get("$ref", "")
        if reference and reference in seen:
            return
        seen |= {reference}
        old, new = _resolved(self.old, old), _resolved(self.new, new)
        yield from self._types(where, old, new)
        yield from self._limits(where, old, new)
        if "default" in old and old["default"] != new.get("default", old["default"]):
            yield Change(where, f"the default was {old['default']!r} and is {new['default']!r}", Bump.MAJOR)
        yield from self._fields(where, old, new, seen)
        if "items" in old and "items" in new:
            yield from self.of(f"{where}[]", old["items"], new["items"], seen)
        if isinstance(old.get("additionalProperties"), dict) and isinstance(new.get("additionalProperties"), dict):
            yield from self.of(f"{where}{{}}", old["additionalProperties"], new["additionalProperties"], seen)
        elif old.get("additionalProperties") is not False and new.get("additionalProperties") is False:
            yield Change(where, "unknown fields were taken and are refused", Bump.MAJOR)
        yield from self._variants(where, old, new, seen)

    def _fields(self, where: str, old: Schema, new: Schema, seen: frozenset[str]) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
        for name in before.keys() - after.keys():
            yield Change(f"{where}.{name}", "the field is gone", Bump.MAJOR)
        for name in after.keys() - before.keys():
            breaks = name in is_required and self.received
            yield Change(
                f"{where}.{name}", "a new field" + " that is required" * breaks, Bump.MAJOR if breaks else Bump.MINOR
            )
        for name in before.keys() & after.keys():
            if name in is_required - was_required:
                yield Change(f"{where}.{name}", "has become required", Bump.MAJOR if self.received else Bump.MINOR)
            if name in was_required - is_required:
                yield Change(f"{where}.{name}", "is no longer required", Bump.MINOR if self.received else Bump.MAJOR)
            yield from self.of(f"{where}.{name}", before[name], after[name], seen)

    def _types(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        for key in ("type", "const", "format", "pattern"):
            if old.get(key) != new.get(key):
                loosened = key in {"format", "pattern"} and key not in new and self.received
                told = f"{key} was {old.get(key)!r} and is {new.get(key)!r}"
                yield Change(where, told, Bump.MINOR if loosened else Bump.MAJOR)
        if "enum" in old or "enum" in new:
            before, after = old.get("enum"), new.get("enum")
            if before is None or after is None:
                loosened = after is None and self.received
                yield Change(
                    where,
                    "values have become " + ("open" if after is None else "closed"),
                    Bump.MINOR if loosened else Bump.MAJOR,
                )
                return
            for value in [value for value in before if value not in after]:
                yield Change(where, f"the value {value!r} is gone", Bump.MAJOR)
            for value in [value for value in after if value not in before]:
                yield Change(where, f"a new value {value!r}", Bump.MINOR)

    def _limits(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        lower = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
        upper = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
        for key in (*lower, *upper):
            was, now = old.get(key), new.get(key)
            if was == now:
                continue
            narrower = now is not None and (was is None or (now > was) == (key in lower))
            breaks = narrower if self.received else not narrower
            yield Change(where, f"{key} was {was} and is {now}", Bump.MAJOR if breaks else Bump.MINOR)

    def _variants(self, where: str, old: Schema, new: Schema, seen: frozenset[str]) -> Iterator[Change]:
        for key in ("anyOf", "oneOf", "allOf"):
            before = {_variant(self.old, one): one for one in old.get(key, ())}
            after = {_variant(self.new, one): one for one in new.get(key, ())}
            for name in before.keys() - after.keys():
                yield Change(where, f"the variant {name} is gone", Bump.MAJOR)
            for name in after.keys() - before.keys():
                yield Change(where, f"a new variant {name}", Bump.MINOR)
            for name in before.keys() & after.keys():
                yield from self.of(f"{where}|{name}", before[name], after[name], seen)


def _resolved(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**document["$defs"][schema["$ref"].rpartition("/")[2]], **rest}
    return schema


def _variant(document: Schema, schema: Schema) -> str:
    """A name under which a variant is found again: its model's, or its type."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    resolved = _resolved(document, schema)
    kind = str(resolved.get("title") or resolved.get("type") or resolved.get("const") or "enum")
    return f"{kind}[{_variant(document, resolved['items'])}]" if resolved.get("items") else kind


def schemas_of(source: Path) -> dict[str, Schema]:
    """Import the package from a folder in a fresh interpreter, and export every public model.

    Raises:
        subprocess.CalledProcessError: The package there cannot be imported.
    """
    environment = {**os.environ, "PYTHONPATH": str(source)}
    # Without -B, a source changed twice within a second, to the same size, would be taken from its old bytecode.
    ran = subprocess.run([sys.executable, "-B", "-c", _EXPORT], env=environment, check=True, capture_output=True)  # noqa: S603 - ours
    schemas: dict[str, Schema] = json.loads(ran.stdout)
    return schemas


def last_tag(root: Path) -> str | None:
    """Return the tag of the last release that HEAD contains; None before the first."""
    ran = _git(root, "describe", "--tags", "--abbrev=0", f"--match={TAGS}*", check=False)
    return ran.stdout.decode().strip() or None


def compare_with(root: Path, commit: str) -> list[Change]:
    """Compare the working tree with a commit."""
    with tempfile.TemporaryDirectory() as folder:
        archive = _git(root, "archive", commit, f"{PACKAGE}/src").stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        return compare(schemas_of(Path(folder, PACKAGE, "src")), schemas_of(root / PACKAGE / "src"))


def _git(root: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(root), *arguments], check=check, capture_output=True)  # noqa: S603, S607 - git as on PATH


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Compare the JSON Schemas of hxp-schemas with an earlier version.")
    parser.add_argument("--against", metavar="COMMIT", help=f"a commit (default: the last tag {TAGS}*)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if pyproject.toml has too low a version")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    options = parser.parse_args(arguments)
    against = options.against or last_tag(root)
    if against is None:
        print(
            json.dumps({"against": None}) if options.json else "no release of hxp-schemas yet: nothing to compare with"
        )
        return 0
    changes = compare_with(root, against)
    released = _version(root, against)
    needed, here = (
        needed_version(released, changes),
        tomllib.loads((root / PACKAGE / "pyproject.toml").read_text())["project"]["version"],
    )
    enough = tuple(map(int, here.split("."))) >= tuple(map(int, needed.split(".")))
    if options.json:
        told = [{**asdict(change), "bump": change.bump.name.lower()} for change in changes]
        print(json.dumps({"against": against, "changes": told, "needed": needed, "version": here, "enough": enough}))
    else:
        for change in changes:
            print(f"{change.bump.name.lower():<6} {change.where}: {change.what}")
        print(
            f"{len(changes)} changes since {against}; the next version is {needed} at least, pyproject.toml has {here}"
        )
    return 1 if options.check and not enough else 0


def _version(root: Path, commit: str) -> str:
    text = _git(root, "show", f"{commit}:{PACKAGE}/pyproject.toml").stdout.decode()
    return str(tomllib.loads(text)["project"]["version"])


if __name__ == "__main__":
    raise SystemExit(main())
