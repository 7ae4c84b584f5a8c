"""A module is named for its one noun, never for being useful."""

from collections.abc import Collection

from .workspace import NothingToCheckError, Source

BANNED = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "misc"})


def vague_modules(files: Collection[Source]) -> list[str]:
    """Find modules and packages with a name that says nothing."""
    if not files:
        raise NothingToCheckError("no modules to name")
    return [
        f"{file.path}: name it for what it holds"
        for file in files
        if BANNED & {part.removesuffix(".py").strip("_") for part in file.path.parts[-3:]}
    ]
