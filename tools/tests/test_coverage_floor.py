"""Lines and branches are held to the floor separately."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.coverage_floor import below

PROGRAM = Path(__file__).parents[1] / "coverage_floor.py"


def totals(lines: int, branches: int, *, of: int = 100) -> dict[str, int]:
    return {"covered_lines": lines, "num_statements": 100, "covered_branches": branches, "num_branches": of}


@pytest.mark.parametrize("fine", [totals(95, 95), totals(100, 0, of=0)])
def test_at_the_floor_is_enough(fine: dict[str, int]) -> None:
    assert below(fine) == []


@pytest.mark.parametrize(("poor", "kind"), [(totals(94, 100), "lines"), (totals(100, 94), "branches")])
def test_one_kind_does_not_make_up_for_the_other(poor: dict[str, int], kind: str) -> None:
    [line] = below(poor)
    assert line.startswith(f"94.0 % of the {kind}")


def test_measuring_nothing_is_not_enough() -> None:
    assert below({"num_statements": 0}) == ["nothing was measured"]


@pytest.mark.parametrize(("covered", "status"), [(95, 0), (50, 1)])
def test_the_exit_status_says_it(tmp_path: Path, covered: int, status: int) -> None:
    report = tmp_path / "coverage.json"
    report.write_text(json.dumps({"totals": totals(covered, 100)}))
    ran = subprocess.run([sys.executable, PROGRAM, report], capture_output=True, text=True, check=False)
    assert (ran.returncode, "50.0 %" in ran.stderr) == (status, covered == 50)
