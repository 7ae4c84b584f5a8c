"""The console script: says what to install when the extra `cli` is missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `hxp`."""
    try:
        from ._app import main as run  # noqa: PLC0415 - typer comes with the extra `cli` only
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit('hxp: the command line needs typer and rich; run: pip install "hxp-services-base[cli]"')
    run()
