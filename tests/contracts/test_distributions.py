"""What every distribution of the workspace has in common, and which packages may import which."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools.rules import metadata
from tools.rules.workspace import Distribution, distributions

ROOT = Path(__file__).parents[2]
MODULES = [member.module for member in distributions(ROOT)]
TOOLS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def test_every_distribution_has_its_files(members: list[Distribution]) -> None:
    assert metadata.missing_files(members) == []


def test_metadata_agree(members: list[Distribution]) -> None:
    assert metadata.wrong_metadata(members) == []


def test_bounds_are_a_floor_and_a_ceiling_and_admit_the_siblings(members: list[Distribution]) -> None:
    assert metadata.wrong_bounds(members) == []


def test_every_member_is_taken_from_the_workspace_by_the_environment(members: list[Distribution]) -> None:
    assert sorted(TOOLS["uv"]["sources"]) == sorted(member.name for member in members)


def test_the_layers_name_every_package() -> None:
    assert sorted(TOOLS["importlinter"]["root_packages"]) == sorted(MODULES)
    contracts = TOOLS["importlinter"]["contracts"]
    named = {
        part.strip() for contract in contracts for layer in contract.get("layers", []) for part in layer.split("|")
    }
    assert named == set(MODULES) - {"hxp_testing"}  # which no source may import at all
    [aside] = [contract for contract in contracts if contract.get("forbidden_modules") == ["hxp_testing"]]
    assert {*aside["source_modules"], "hxp_testing"} == set(MODULES)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("hxp_schemas", "import hxp_config"),
        ("hxp_schemas", "import fastapi"),
        ("hxp_logging", "from hxp_schemas import openai"),
        ("hxp_resilience", "import hxp_logging"),
        ("hxp_config", "import hxp_services_base"),
        ("hxp_services_base", "import hxp_model"),
        ("hxp_gateway", "import hxp_ledger"),
        ("hxp_ledger", "import hxp_enterprise_llm"),
        ("hxp_gateway", "import hxp_testing"),
    ],
)
def test_an_import_against_the_layers_is_caught(module: str, line: str, tmp_path: Path) -> None:
    linted = lint(tmp_path, {module: line})
    assert linted.returncode == 1, linted.stdout
    assert "BROKEN" in linted.stdout


def test_an_import_along_the_layers_is_not(tmp_path: Path) -> None:
    linted = lint(tmp_path, {"hxp_gateway": "import hxp_services_base", "hxp_services_base": "import hxp_config"})
    assert linted.returncode == 0, linted.stdout + linted.stderr


def lint(folder: Path, lines: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Check empty packages of the same names, but for the lines given, with the contracts of the workspace."""
    for module in MODULES:
        (folder / module).mkdir()
        (folder / module / "__init__.py").write_text(lines.get(module, ""))
    shutil.copy(ROOT / "pyproject.toml", folder)
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )
