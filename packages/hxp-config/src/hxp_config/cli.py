"""The commands as a Typer group, for a program of one's own; needs the extra `cli`.

    import typer
    from hxp_config import standard_sources
    from hxp_config.cli import application
    from hxp_config.commands import Project

    app = typer.Typer()
    project = Project(Settings, lambda profile: standard_sources(profile=profile))
    app.add_typer(application(lambda: project), name="config")

gives it `config show | explain | validate | diff | schema | env | reference | migrate`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

try:
    import typer
except ImportError as error:
    raise ImportError("hxp_config.cli needs typer: install the extra hxp-config[cli]") from error

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .commands import Project

__all__ = ["application"]

_Json = Annotated[bool, typer.Option("--json", help="For a program.")]
_Origins = Annotated[bool, typer.Option("--origins", help="And where each came from.")]
_Write = Annotated[bool, typer.Option("--write", help="Change the file; its comments are kept.")]
_Key = Annotated[str, typer.Argument(help="Such as services.gateway.port.")]
_Profile = Annotated[str, typer.Argument(help="A profile.")]
_File = Annotated[Path, typer.Argument(help="The file.")]


def application(project: Callable[[], Project], *, errors: tuple[type[Exception], ...] = ()) -> typer.Typer:
    """Make the group.

    A configuration that is wrong is told on the error stream, with every problem and its place; the exit status is 2.

    Args:
        project: Called by each command; what it is asked about.
        errors: What else `project` may raise when the configuration is wrong.
    """
    app = typer.Typer(help="Ask the configuration what is in force, and why.", no_args_is_help=True)
    ask = _Asked(project, errors)
    _add_questions(app, ask)
    _add_documents(app, ask)
    return app


class _Asked:
    """Prints what a command returns, or what is wrong."""

    def __init__(self, project: Callable[[], Project], errors: tuple[type[Exception], ...]) -> None:
        self._project, self._errors = project, errors

    def __call__(self, command: Callable[[ModuleType, Project], str]) -> None:
        from . import ConfigError, commands  # noqa: PLC0415 - a program's `--help` loads this module

        wrong: tuple[type[Exception], ...] = (ConfigError, *self._errors)
        try:
            typer.echo(command(commands, self._project()))
        except wrong as error:
            self._end(f"the configuration cannot be used:\n{error}", error)
        except KeyError as error:
            self._end(f"there is nothing at {error}; `show` lists what there is", error)

    @staticmethod
    def _end(message: str, error: Exception) -> None:
        typer.echo(message, err=True)
        raise typer.Exit(2) from error


def _add_questions(app: typer.Typer, ask: _Asked) -> None:
    @app.command()
    def show(*, origins: _Origins = False, json: _Json = False) -> None:
        """Show every value that is in force; secrets are masked."""
        ask(lambda commands, project: commands.show(project, origins=origins, as_json=json))

    @app.command()
    def explain(key: _Key, *, json: _Json = False) -> None:
        """Show where one value came from, and what it replaced."""
        ask(lambda commands, project: commands.explain(project, key, as_json=json))

    @app.command()
    def validate(*, json: _Json = False) -> None:
        """Check the configuration, and name every problem with its place."""
        ask(lambda commands, project: commands.validate(project, as_json=json))

    @app.command()
    def diff(first: _Profile, second: _Profile, *, json: _Json = False) -> None:
        """Show what is different between two profiles, value by value."""
        ask(lambda commands, project: commands.diff(project, first, second, as_json=json))


def _add_documents(app: typer.Typer, ask: _Asked) -> None:
    @app.command()
    def schema() -> None:
        """Print the JSON Schema of the file, for an editor that completes and checks."""
        ask(lambda commands, project: commands.schema(project))

    @app.command()
    def env() -> None:
        """Print an .env.example with every variable."""
        ask(lambda commands, project: commands.env(project))

    @app.command()
    def reference() -> None:
        """Print a page in Markdown with every setting."""
        ask(lambda commands, project: commands.reference(project))

    @app.command()
    def migrate(file: _File = Path("hxp.yaml"), *, write: _Write = False, json: _Json = False) -> None:
        """Show what bringing a file up to date changes, and do it if that is wanted."""
        ask(lambda commands, project: commands.migrate(project, file, write=write, as_json=json))
