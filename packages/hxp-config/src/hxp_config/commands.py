"""What can be asked of a configuration from a command line; each function returns what to print.

`hxp config …` offers them for the stack in the working directory, `python -m hxp_config MODEL …` for any model. Nothing
that is printed holds a secret.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._describe import env_example, json_schema, reference_page
from ._difference import difference
from ._load import load
from ._path import join_path
from ._rewrite import migrate_file
from ._snapshot import Snapshot, paths_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from ._migration import Migration
    from ._source import Source

__all__ = ["Project", "diff", "env", "explain", "migrate", "reference", "schema", "show", "validate"]


@dataclass(frozen=True, slots=True)
class Project:
    """A configuration that commands can be asked about.

    Attributes:
        model: What `load` is given.
        sources: Makes the sources, for a profile (None: the usual one).
        prefix: Of environment variables.
        migration: Brings older documents up to date.
    """

    model: Any
    sources: Callable[[str | None], Sequence[Source]]
    prefix: str = "HXP"
    migration: Migration | None = None

    def snapshot(self, profile: str | None = None) -> Snapshot[Any]:
        """Load it.

        Raises:
            ConfigError: With every problem and its place.
        """
        return load(self.model, self.sources(profile), migration=self.migration)


def show(project: Project, *, origins: bool = False, as_json: bool = False) -> str:
    """Print every value that is in force, and where it came from if that is wanted."""
    snapshot = project.snapshot()
    paths = [join_path(path) for path in paths_of(snapshot.value) if path]
    if as_json:
        told = {path: {"value": snapshot.shown(path), "origin": str(snapshot.origin(path))} for path in paths}
        return json.dumps(told, indent=2)
    if not origins:
        return "\n".join(f"{path} = {snapshot.shown(path)}" for path in paths)
    lines = [(f"{path} = {snapshot.shown(path)}", snapshot.origin(path)) for path in paths]
    width = max((len(line) for line, _ in lines), default=0)
    return "\n".join(f"{line:<{min(width, 60)}}  {origin}" for line, origin in lines)


def explain(project: Project, key: str, *, as_json: bool = False) -> str:
    """Print where one value came from, and what it replaced.

    Raises:
        KeyError: There is no such value.
    """
    snapshot = project.snapshot()
    if not as_json:
        return snapshot.explain(key)
    origin = snapshot.origin(key)
    told = {
        "path": key,
        "value": snapshot.shown(key),
        "origin": str(origin),
        "source": origin.source,
        "line": origin.line,
        "column": origin.column,
        "overridden": [str(lost) for lost in origin.overridden],
    }
    return json.dumps(told, indent=2)


def validate(project: Project, *, as_json: bool = False) -> str:
    """Print that all is well, and what migrations would rewrite.

    Raises:
        ConfigError: It is not.
    """
    snapshot = project.snapshot()
    rewrites = [str(rewrite) for rewrite in snapshot.rewrites]
    if as_json:
        return json.dumps({"valid": True, "values": len(paths_of(snapshot.value)), "rewrites": rewrites})
    return "\n".join([*rewrites, f"valid: {len(paths_of(snapshot.value))} values"])


def diff(project: Project, first: str, second: str, *, as_json: bool = False) -> str:
    """Print what is different between two profiles, value by value."""
    differences = difference(project.snapshot(first), project.snapshot(second))
    if as_json:
        return json.dumps([one.to_json() for one in differences], indent=2)
    return "\n".join(map(str, differences)) or "no difference"


def schema(project: Project) -> str:
    """Print the JSON Schema, for an editor."""
    return json.dumps(json_schema(project.model, prefix=project.prefix), indent=2)


def env(project: Project) -> str:
    """Print an `.env.example`."""
    return env_example(project.model, prefix=project.prefix)


def reference(project: Project) -> str:
    """Print a reference page in Markdown."""
    return reference_page(project.model, prefix=project.prefix)


def migrate(project: Project, path: str | os.PathLike[str], *, write: bool = False, as_json: bool = False) -> str:
    """Print what bringing a file up to date changes, and do it if that is wanted.

    Raises:
        ConfigError: The file cannot be migrated.
    """
    if project.migration is None:
        return json.dumps({"path": str(path), "rewrites": [], "written": False}) if as_json else f"{path}: up to date"
    planned = migrate_file(path, project.migration)
    rewrites = [str(rewrite) for rewrite in planned.rewrites]
    changed = bool(rewrites)
    if write and changed:
        planned.write()
    if as_json:
        return json.dumps({"path": str(path), "rewrites": rewrites, "written": write and changed})
    if not changed:
        return f"{path}: up to date"
    return "\n".join([*rewrites, f"{path}: written" if write else f"{path}: unchanged; --write brings it up to date"])
