"""The console script: says what to install when the extra `cli` is missing, and ends quietly on Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

_INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def main() -> None:
    """Run `hxp`."""
    # While modules are loaded there is nothing to clean up, and a traceback would only say where it happened to be.
    signal.signal(signal.SIGINT, _end_at_once)
    try:
        try:
            from ._app import main as run  # noqa: PLC0415 - typer comes with the extra `cli` only
        except ModuleNotFoundError as error:
            if error.name not in {"typer", "rich"}:
                raise
            sys.exit('hxp: the command line needs typer and rich; run: pip install "hxp-services-base[cli]"')
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    finally:
        signal.signal(signal.SIGINT, _end_at_once)
        _flush()


def _end_at_once(_number: int, _frame: object) -> NoReturn:
    os._exit(_INTERRUPTED)


def _flush() -> None:
    """Write what is left; if that fails, the interpreter must not try again and complain."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
