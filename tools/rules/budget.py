"""What one import may load."""

import os
import subprocess
import sys
from collections.abc import Collection

from .workspace import NothingToCheckError

PROGRAM = "import sys\n{statement}\nprint(*sys.modules)"


def loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter.

    Args:
        statement: An import, say.

    Returns:
        The modules that are loaded then and are not in an idle interpreter.

    Raises:
        NothingToCheckError: The statement fails, for example because the module is gone.
    """
    return _modules(statement) - _modules("")


def over_budget(statement: str, *, allowed: Collection[str] = (), banned: Collection[str] = ()) -> list[str]:
    """Find what a statement loads beyond its budget.

    Args:
        statement: An import.
        allowed: The import packages beside the standard library that it may load.
        banned: Modules of the standard library, or of an allowed package, that it must not load.

    Returns:
        One line for each module.
    """
    loaded = loaded_by(statement)
    tops = {name.partition(".")[0] for name in loaded}
    foreign = {name for name in tops - sys.stdlib_module_names if not name.startswith("_")}
    return [
        *(f"`{statement}` loads {name}" for name in sorted(foreign - {"cython_runtime", *allowed})),
        *(f"`{statement}` loads {name}" for name in sorted(loaded & set(banned))),
    ]


def _modules(statement: str) -> set[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if ran.returncode:
        raise NothingToCheckError(f"`{statement}` fails: {ran.stderr.strip().splitlines()[-1]}")
    return set(ran.stdout.split())
