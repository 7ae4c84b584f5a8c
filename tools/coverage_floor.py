"""Hold a package to 95 % of its lines and 95 % of its branches, each for itself.

`coverage report --fail-under` adds both up, so that many lines can hide few branches.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

FLOOR = 95.0
KINDS = {"lines": ("covered_lines", "num_statements"), "branches": ("covered_branches", "num_branches")}


def below(totals: Mapping[str, int], *, floor: float = FLOOR) -> list[str]:
    """Compare the totals of a JSON report with the floor.

    Args:
        totals: The part `totals` of what `coverage json` writes.
        floor: Per cent that must be reached.

    Returns:
        One line for each kind that is below the floor; measuring nothing counts as below it.
    """
    found = []
    for kind, (covered, count) in KINDS.items():
        if not totals.get("num_statements"):
            return ["nothing was measured"]
        share = 100 * totals[covered] / totals[count] if totals[count] else 100.0
        if share < floor:
            found.append(
                f"{share:.1f} % of the {kind} are covered by the package's own tests, {floor:.0f} % are wanted"
            )
    return found


def main() -> int:
    """Read the report that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="what `coverage json -o` wrote")
    found = below(json.loads(parser.parse_args().report.read_text(encoding="utf-8"))["totals"])
    print(*found, sep="\n", file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
