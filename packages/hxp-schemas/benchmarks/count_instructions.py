# /// script
# requires-python = ">=3.11"
# dependencies = ["hxp-schemas", "pydantic==2.14.3"]
#
# [tool.uv.sources]
# hxp-schemas = { path = "..", editable = true }
# ///
"""What validation by our models costs over plain pydantic, in instructions, however busy the machine.

A ratio of times that should be 1.00 moves by several percent from run to run; a count of instructions does not. Needs
`valgrind` on the machine. Run it with `uv run --python 3.11 packages/hxp-schemas/benchmarks/count_instructions.py`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from material import write_twin

CALLS = 200
LIMIT = 1.05
PROGRAM = """import gc
from material import {payload}
from {package}.openai import {model}
read = {model}.model_validate_json
read({payload})
gc.collect(), gc.freeze()
for _ in range({calls}):
    read({payload})
"""
PAYLOADS = {
    "validate a chat request of ten messages": ("ChatCompletionRequest", "REQUEST"),
    "read a chat answer": ("ChatCompletion", "ANSWER"),
}


def counted(code: str, twins: str) -> int:
    """Count the instructions of a program in a fresh interpreter."""
    path = os.pathsep.join([str(Path(__file__).parent), twins])
    ran = subprocess.run(  # noqa: S603 - ours
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", code],  # noqa: S607 - as on PATH
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    assert found, ran.stderr
    return int(found[1])


def per_call(package: str, model: str, payload: str, twins: str) -> float:
    """Count what one call takes: the difference between a program that makes many and one that makes few."""
    few, many = (
        counted(PROGRAM.format(package=package, model=model, payload=payload, calls=calls), twins)
        for calls in (10, 10 + CALLS)
    )
    return (many - few) / CALLS


def ratios() -> dict[str, float]:
    """Compare all, with a line on the error stream for each."""
    found = {}
    with tempfile.TemporaryDirectory() as twins:
        write_twin(Path(twins), "plain_twin")
        for title, asked in PAYLOADS.items():
            print(f"counting: {title}", file=sys.stderr)
            found[title] = per_call("hxp_schemas", *asked, twins) / per_call("plain_twin", *asked, twins)
    return found


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 if a ratio is above {LIMIT}")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not on PATH; your system's package manager has it", file=sys.stderr)
        return 2
    found = ratios()
    if options.json:
        print(json.dumps(found))
    else:
        for title, ratio in found.items():
            print(f"{title:<42} {ratio:.4f} x plain pydantic, the same fields; at most {LIMIT}")
    return int(options.check and max(found.values()) > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
