"""What the workspace consists of, read from its own table; no other list of packages exists."""

import ast
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


class NothingToCheckError(Exception):
    """The target of a rule is gone: the rule has to move with it or go."""


@dataclass(frozen=True)
class Distribution:
    """One member of the workspace."""

    folder: Path

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """What its `pyproject.toml` says."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def project(self) -> dict[str, Any]:
        """The table `[project]`."""
        table: dict[str, Any] = self.pyproject["project"]
        return table

    @property
    def name(self) -> str:
        """The name it is installed by."""
        return self.folder.name

    @property
    def module(self) -> str:
        """The name it is imported by."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        """The folder of its import package."""
        return self.folder / "src" / self.module


@dataclass(frozen=True)
class Source:
    """One Python file, parsed."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Walk the calls of named functions, as `asyncio.sleep` or `sleep`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node


def distributions(root: Path) -> list[Distribution]:
    """Read the members of the workspace.

    Args:
        root: The folder of the workspace's `pyproject.toml`.

    Returns:
        The distributions, sorted by folder.

    Raises:
        NothingToCheckError: A pattern of the table matches nothing.
    """
    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]["workspace"]
    found: list[Distribution] = []
    for pattern in table["members"]:
        folders = sorted(path.parent for path in root.glob(f"{pattern}/pyproject.toml"))
        if not folders:
            raise NothingToCheckError(f"no member of the workspace matches {pattern!r}")
        found += map(Distribution, folders)
    return found


def sources(folders: Iterable[Path]) -> list[Source]:
    """Read the Python files of some folders.

    Args:
        folders: Where to look; each must hold at least one file.

    Returns:
        The files, sorted.

    Raises:
        NothingToCheckError: A folder holds no Python file.
    """
    found: list[Source] = []
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*.py") if not {".venv", "build", "dist"} & set(path.parts))
        if not paths:
            raise NothingToCheckError(f"no Python file in {folder}")
        found += [Source(path, path.read_text(encoding="utf-8")) for path in paths]
    return found
