"""The examples of the README run, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hxp_model import ModelSettings
from pydantic import BaseModel, SecretStr

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_there_is_an_example() -> None:
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_the_example_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(README), "exec", dont_inherit=True), {"__name__": "__main__"})


@pytest.mark.parametrize("settings", [ModelSettings])
def test_the_table_names_every_setting_and_its_default(settings: type[BaseModel]) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", TEXT, re.MULTILINE))
    for name, field in settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        if field.is_required():
            assert rows[name] == "required"
        elif default:
            assert rows[name] == f"`{default}`"
        else:
            assert name in rows
