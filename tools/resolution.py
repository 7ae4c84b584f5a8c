"""The date as of which gates and tests resolve requirements that no lock pins."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def resolve_as_of(root: Path = ROOT) -> str:
    """Return the committed date, RFC 3339: releases after it are invisible to gates (`uv --exclude-newer`).

    Args:
        root: The workspace whose `pyproject.toml` says it.

    Raises:
        KeyError: If it says none.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())
    date: str = project["tool"]["hxp"]["resolve-as-of"]
    return date
