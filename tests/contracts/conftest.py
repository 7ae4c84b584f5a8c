"""The workspace as the rules see it."""

from pathlib import Path

import pytest

from tools.rules.workspace import Distribution, Source, distributions, sources

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def members() -> list[Distribution]:
    return distributions(ROOT)


@pytest.fixture(scope="session")
def shipped(members: list[Distribution]) -> list[Source]:
    """Everything under a `src/`."""
    return sources(member.source for member in members)


@pytest.fixture(scope="session")
def tests(members: list[Distribution]) -> list[Source]:
    return sources([*(member.folder / "tests" for member in members), ROOT / "tests", ROOT / "tools" / "tests"])


@pytest.fixture(scope="session")
def everything(shipped: list[Source], tests: list[Source]) -> list[Source]:
    return [*shipped, *tests, *sources([ROOT / "tools"])]
