"""Tell what importing each package costs, as a ratio to starting the interpreter; reported, not gated.

CPU time of a child process, the best of several runs: other work on the machine makes it larger, never smaller.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.rules.workspace import distributions

ROOT = Path(__file__).parents[1]
RUNS = 5


def cpu_seconds(statement: str, *, runs: int = RUNS) -> float:
    """Measure a statement in fresh interpreters.

    Args:
        statement: What is run, an import say; nothing measures the interpreter itself.
        runs: How many interpreters.

    Returns:
        The CPU seconds of the cheapest run.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", statement]
    measured = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True)  # noqa: S603 - a statement of ours
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        measured.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(measured)


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
