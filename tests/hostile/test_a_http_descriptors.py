"""A server whose process has no descriptor left: it must not spin or die, and it must come back (D5)."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

SERVER = """
import asyncio, os, resource, sys
from pathlib import Path
import hxp_logging, uvloop
from hxp_services_base import BaseService, Identity, Settings
from hxp_services_base.chassis import ServiceHost

class Plain(BaseService[Settings]):
    is_front_door = True
    lame_duck = 0.0

async def main():
    identity = Identity("plain", state_dir=Path(sys.argv[1]))
    host = ServiceHost(Plain(), Settings(), identity=identity, log=hxp_logging.get_logger("plain"))
    await host.start()
    while not host._uvicorn.started:
        await asyncio.sleep(0.01)
    hogs = []
    try:
        while True:
            hogs.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        print(host.port, host.probe_port, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for hog in hogs:
        os.close(hog)
    print("free", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
uvloop.run(main())
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A service that has taken all of its descriptors, until it is sent a line."""
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    yield process
    process.kill()
    process.communicate()


def answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        try:
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return client.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def ticks(pid: int) -> int:
    """The CPU time of a process, in ticks of a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_without_a_descriptor_it_neither_spins_nor_dies_and_comes_back(
    server: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert server.stdout is not None
    assert server.stdin is not None
    port, probe_port = map(int, server.stdout.readline().split())
    with ExitStack() as silent:
        for number in range(40):
            client = silent.enter_context(socket.socket())
            client.settimeout(3)
            client.connect(("127.0.0.1", port if number % 2 else probe_port))
        before, began = ticks(server.pid), time.monotonic()
        until = began + 3
        while time.monotonic() < until:
            answers(port)
            time.sleep(0.1)
        took = (time.monotonic() - began) * 100
        assert ticks(server.pid) - before < took / 2
        assert server.poll() is None
        assert (tmp_path / "log").stat().st_size < 50_000
        server.stdin.write("free\n")
        server.stdin.flush()
        assert server.stdout.readline() == "free\n"
    until = time.monotonic() + 10
    while not (answers(port) and answers(probe_port)):
        assert time.monotonic() < until
        time.sleep(0.1)
