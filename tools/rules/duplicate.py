"""What has to exist several times is the same everywhere."""

from collections.abc import Collection
from pathlib import Path

from .workspace import NothingToCheckError, Source


def differing(paths: Collection[Path]) -> list[str]:
    """Find files that are not byte for byte the first one."""
    if len(paths) < 2:
        raise NothingToCheckError(f"nothing to compare: {sorted(map(str, paths))}")
    first, *others = paths
    wanted = first.read_bytes()
    return [f"{path} differs from {first}" for path in others if path.read_bytes() != wanted]


def lazy_modules(files: Collection[Source]) -> list[Path]:
    """Collect the copies of the module that exports lazily."""
    return [file.path for file in files if file.path.name == "_lazy.py" and "def lazy_exports(" in file.text]
