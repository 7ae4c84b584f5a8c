"""Gates resolve as of a date that is committed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.resolution import resolve_as_of


def test_the_date_is_committed_and_lies_in_the_past() -> None:
    assert datetime.fromisoformat(resolve_as_of()) < datetime.now(UTC)


def test_a_workspace_without_a_date_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.uv]\n")
    with pytest.raises(KeyError, match="hxp"):
        resolve_as_of(tmp_path)
