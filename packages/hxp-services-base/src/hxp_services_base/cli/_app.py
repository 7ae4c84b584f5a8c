"""Assembles the `hxp` command from the commands of every installed package."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import sys
import typing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..commands import GROUP, Argument, CommandError, CommandGroup, Option, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def build(entries: Iterable[importlib.metadata.EntryPoint] | None = None) -> typer.Typer:
    """The command line of what is installed.

    Args:
        entries: The commands; those of the installed packages unless given.
    """
    app = typer.Typer(
        name="hxp",
        help="Runs and inspects an LLM server: `hxp up` starts it, `hxp chat` talks to it.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback(invoke_without_command=True)(_root)
    for entry in sorted(entries or importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            _add(app, entry.name, entry.load())
        except Exception as error:  # noqa: BLE001 - one broken package must not take the other commands along
            _add_broken(app, entry, error)
    return app


def _add(app: typer.Typer, name: str, command: Any) -> None:
    if isinstance(command, CommandGroup):
        group = typer.Typer(help=command.help, no_args_is_help=True)
        for subcommand, function in command.commands.items():
            group.command(subcommand)(_adapted(function))
        app.add_typer(group, name=name)
    elif isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(_adapted(command))


def _add_broken(app: typer.Typer, entry: importlib.metadata.EntryPoint, error: Exception) -> None:
    why = f"the command {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"

    def broken() -> None:
        raise CommandError(f"{why}; install its package again")

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(entry.name, help="Cannot be loaded.", context_settings=settings)(_adapted(broken))


def _root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"hxp {importlib.metadata.version('hxp-services-base')}")
        raise typer.Exit


def _adapted(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with our markers turned into typer's, and our errors into exit statuses."""
    hints = typing.get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=_translated(hints[name])) for name, parameter in signature.parameters.items()
    ]

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except CommandError as error:
            typer.echo(printable(f"hxp: {error}"), err=True)
            raise typer.Exit(error.status) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(130) from error
        except BrokenPipeError:
            raise  # whoever read our output has enough; typer ends quietly
        except OSError as error:
            where = f": {error.filename!r}" if error.filename else ""
            typer.echo(printable(f"hxp: {error.strerror or error}{where}"), err=True)
            raise typer.Exit(1) from error

    command.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _translated(annotation: Any) -> Any:
    if typing.get_origin(annotation) is not Annotated:
        return annotation
    kind, *markers = typing.get_args(annotation)
    for marker in markers:
        if isinstance(marker, Option):
            return Annotated[kind, typer.Option(*marker.flags, help=marker.help)]
        if isinstance(marker, Argument):
            return Annotated[kind, typer.Argument(help=marker.help)]
    return annotation


def main() -> None:
    """Run the command line."""
    build()(prog_name="hxp")
    sys.exit(0)
