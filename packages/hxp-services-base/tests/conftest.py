"""What the tests of this package share: real hosts on free ports, and an engine that does as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hxp_logging
import pytest
from hxp_services_base import BaseService, Context, Identity, Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity("probe", instance="probe-0", port=0, state_dir=tmp_path / ".hxp")


@pytest.fixture
def context(identity: Identity) -> Context:
    return Context(identity, log=hxp_logging.get_logger("test"))


class Plain(BaseService[Settings]):
    """A service without anything of its own."""


@pytest.fixture
def plain() -> Plain:
    return Plain()
