"""`hxp config`: what is in force in the stack of the working directory, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..commands import Argument, CommandError, CommandGroup, Option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hxp_config import Source
    from hxp_config.commands import Project

Json = Annotated[bool, Option("--json", help="For a program.")]


def show(
    *, origins: Annotated[bool, Option("--origins", help="And where each came from.")] = False, json: Json = False
) -> None:
    """Show every value that is in force; secrets are masked."""
    from hxp_config import commands  # noqa: PLC0415 - `hxp --help` loads this module

    _print(lambda: commands.show(_project(), origins=origins, as_json=json))


def explain(key: Annotated[str, Argument(help="Such as services.gateway.port.")], *, json: Json = False) -> None:
    """Show where one value came from, and what it replaced."""
    from hxp_config import commands  # noqa: PLC0415 - as above

    _print(lambda: commands.explain(_project(), key, as_json=json))


def validate(*, json: Json = False) -> None:
    """Check the configuration, and name every problem with its place."""
    from hxp_config import commands  # noqa: PLC0415 - as above

    _print(lambda: commands.validate(_project(), as_json=json))


def diff(
    first: Annotated[str, Argument(help="A profile.")],
    second: Annotated[str, Argument(help="Another one.")],
    *,
    json: Json = False,
) -> None:
    """Show what is different between two profiles, value by value."""
    from hxp_config import commands  # noqa: PLC0415 - as above

    _print(lambda: commands.diff(_project(), first, second, as_json=json))


def schema() -> None:
    """Print the JSON Schema of hxp.yaml, for an editor that completes and checks."""
    from hxp_config import commands  # noqa: PLC0415 - as above

    _print(lambda: commands.schema(_project()))


def env() -> None:
    """Print an .env.example with every variable."""
    from hxp_config import commands  # noqa: PLC0415 - as above

    _print(lambda: commands.env(_project()))


def reference() -> None:
    """Print a page in Markdown with every setting."""
    from hxp_config import commands  # noqa: PLC0415 - as above

    _print(lambda: commands.reference(_project()))


def migrate(
    file: Annotated[Path, Argument(help="The file.")] = Path("hxp.yaml"),
    *,
    write: Annotated[bool, Option("--write", help="Change the file; its comments are kept.")] = False,
    json: Json = False,
) -> None:
    """Show what bringing a file up to date changes, and do it if that is wanted."""
    from hxp_config import commands  # noqa: PLC0415 - as above

    _print(lambda: commands.migrate(_project(), file, write=write, as_json=json))


CONFIG = CommandGroup(
    "Ask the configuration what is in force, and why.",
    {
        "show": show,
        "explain": explain,
        "validate": validate,
        "diff": diff,
        "schema": schema,
        "env": env,
        "reference": reference,
        "migrate": migrate,
    },
)


def _project() -> Project:
    from hxp_config import Migration  # noqa: PLC0415 - as above
    from hxp_config.commands import Project  # noqa: PLC0415 - as above
    from hxp_schemas import StackConfig, migrations_of  # noqa: PLC0415 - as above

    from ..orchestration import stack_model, stack_sources  # noqa: PLC0415 - as above

    def sources(profile: str | None) -> Sequence[Source]:
        return stack_sources(Path(), environ=os.environ, profile=profile)

    return Project(stack_model(sources(None)), sources, migration=Migration(migrations_of(StackConfig)))


def _print(command: Callable[[], str]) -> None:
    from hxp_config import ConfigError  # noqa: PLC0415 - as above

    from ..orchestration import StackError  # noqa: PLC0415 - as above

    try:
        print(command())
    except (ConfigError, StackError) as error:
        raise CommandError(f"the configuration cannot be used:\n{error}", status=2) from error
    except KeyError as error:
        raise CommandError(f"there is nothing at {error}; `hxp config show` lists what there is", status=2) from error
