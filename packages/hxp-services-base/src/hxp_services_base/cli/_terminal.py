"""What a command shows on a terminal: nothing of it is taken for markup, and no failure to write harms the program."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..commands import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

COLOURS = {
    "ready": "green",
    "degraded": "yellow",
    "not ready": "yellow",
    "restarting": "yellow",
    "unresponsive": "yellow",
    "failed": "red",
    "stopped": "dim",
}
"""How the states of services look."""

Part = str | tuple[str, str]
"""A text, or a text and its style."""


class _Console(Console):
    """A console that goes on in silence when nobody reads it any more."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence_stdout()


class Terminal:
    """Standard output, for people."""

    def __init__(self) -> None:
        self._console = _Console(highlight=False, soft_wrap=True, markup=False, emoji=False)

    def say(self, *parts: Part) -> None:
        """Print a line; whatever is in it stands there as it is, control characters written out."""
        self._print(_text(parts))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Part]]) -> None:
        """Print a table."""
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(_text([cell]) for cell in row))
        self._print(table, wrap=True)

    def status(self, text: str) -> AbstractContextManager[object]:
        """Show that something is going on."""
        return self._console.status(Text(text))

    def _print(self, what: Text | Table, *, wrap: bool = False) -> None:
        with contextlib.suppress(OSError):  # a full disk behind it, or a terminal that is gone
            self._console.print(what, soft_wrap=not wrap)


def _text(parts: Iterable[Part]) -> Text:
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((printable(text), style) for text, style in pairs))


def silence_stdout() -> None:
    """Let standard output lead nowhere, so that what is still buffered for it cannot fail either."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)
