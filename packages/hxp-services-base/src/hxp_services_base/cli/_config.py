"""`hxp config`: what is in force in the stack of the working directory, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hxp_config.cli import application

from ..commands import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hxp_config import Source
    from hxp_config.commands import Project


def _project() -> Project:
    from hxp_config import Migration  # noqa: PLC0415 - `hxp --help` loads this module
    from hxp_config.commands import Project  # noqa: PLC0415 - as above
    from hxp_schemas import StackConfig, migrations_of  # noqa: PLC0415 - as above

    from ..orchestration import StackError, stack_model, stack_sources  # noqa: PLC0415 - as above

    def sources(profile: str | None) -> Sequence[Source]:
        return stack_sources(Path(), environ=os.environ, profile=profile)

    try:
        model = stack_model(sources(None))
    except StackError as error:
        raise CommandError(str(error)) from error
    return Project(model, sources, migration=Migration(migrations_of(StackConfig)))


CONFIG = application(_project, errors=(CommandError,))
