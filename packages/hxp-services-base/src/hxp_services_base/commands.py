"""How a package adds commands to `hxp`: plain typed functions under the entry-point group `hxp.commands`.

Only the extra `cli` imports typer; a package that offers commands does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .orchestration import Stack

GROUP = "hxp.commands"


class CommandError(Exception):
    """A command cannot do what it was asked to; the message goes to standard error as it is.

    Args:
        message: What was wrong and what to do.
        status: The exit status.
    """

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Option:
    """How a parameter is given on the command line: `Annotated[bool, Option("--json", help="…")]`.

    Attributes:
        flags: Its flags, for example `"--json"` or `"-f", "--follow"`.
        help: What it does.
    """

    flags: tuple[str, ...]
    help: str

    def __init__(self, *flags: str, help: str) -> None:  # noqa: A002 - the command line's own word
        object.__setattr__(self, "flags", flags)
        object.__setattr__(self, "help", help)


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional parameter: `Annotated[str, Argument(help="…")]`."""

    help: str


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """Several commands under one name: `hxp keys create | list | revoke`.

    Attributes:
        help: What the group is for.
        commands: The functions, by name.
    """

    help: str
    commands: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


def printable(text: str) -> str:
    r"""Write out whatever in a text could move a terminal's cursor, colour it, or turn the direction of writing.

    Args:
        text: Anything, such as a reason that somebody else gave; line breaks and tabs stay.

    Example:
        >>> printable("\x1b[2Jgone")
        '\\x1b[2Jgone'
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def stack_here(overrides: Sequence[str] = ()) -> Stack:
    """The stack that the working directory's `hxp.yaml` describes, or the default one.

    Args:
        overrides: `"services.gateway.port=9000"`, ….

    Raises:
        CommandError: With every problem of the configuration and its place; exit status 2.
    """
    from hxp_config import ConfigError  # noqa: PLC0415 - `hxp --help` loads this module

    from .orchestration import StackError, read_stack  # noqa: PLC0415

    try:
        return read_stack(Path(), overrides=overrides)[0]
    except (ConfigError, StackError) as error:
        raise CommandError(f"the configuration cannot be used:\n{error}", status=2) from error
