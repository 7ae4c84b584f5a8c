"""Tell what importing each package costs, as a ratio to starting the interpreter; reported, not gated.

CPU time of a child process, the best of several runs: other work on the machine makes it larger, never smaller.
"""

import sys
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parents[1]))

from hxp_testing.benchmark import process_seconds

from tools.rules.workspace import distributions

ROOT = Path(__file__).parents[1]
RUNS = 5


def cpu_seconds(statement: str) -> float:
    """Measure a statement in fresh interpreters; nothing measures the interpreter itself."""
    return min(process_seconds(statement) for _ in range(RUNS))


def main() -> int:
    """Print one line for each package."""
    idle = cpu_seconds("")
    print(f"{'idle interpreter':<24}{idle * 1000:6.0f} ms")
    for member in distributions(ROOT):
        spent = cpu_seconds(f"import {member.module}")
        print(f"import {member.module:<17}{spent * 1000:6.0f} ms {spent / idle:5.1f} x idle")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
