"""What a stranger finds on the ports of a running stack, with and without a public address."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from hxp_services_base.testing import DetachedStack, detached_stack
from hxp_testing.net import free_ports, raw_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HXP_YAML = """
services:
  ledger: {{use: hxp-ledger, port: {0}, config: {{url: "sqlite:///.hxp/ledger.db"}}}}
  tiny: {{use: hxp-model, host: 0.0.0.0, port: {1}}}
"""
CLOSING = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return free_ports(2)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Iterator[DetachedStack]:
    folder: Path = tmp_path_factory.mktemp("operations")
    (folder / "hxp.yaml").write_text(HXP_YAML.format(*ports))
    with detached_stack(folder) as running:
        yield running


def listening(port: int) -> set[str]:
    """The addresses on which somebody listens on `port` (Linux's /proc/net/tcp)."""
    with open("/proc/net/tcp") as table:  # noqa: PTH123
        rows = [line.split() for line in table][1:]
    found = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {socket.inet_ntoa(bytes.fromhex(address)[::-1]) for address, number in found if int(number, 16) == port}


@pytest.mark.usefixtures("stack")
async def test_a_public_service_shows_strangers_a_status_and_nothing_else(ports: list[int]) -> None:
    for port in ports:
        for path in (b"/metrics", b"/info", b"/healthz?verbose"):
            assert (await raw_answer(port, b"GET " + path + CLOSING)).startswith(b"HTTP/1.1 404")
        for path in (b"/livez", b"/readyz", b"/startupz", b"/healthz", b"/health"):
            answer = await raw_answer(port, b"GET " + path + CLOSING)
            assert answer.startswith(b"HTTP/1.1 200")
            assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) <= {"status", "phase", "checks", "reason"}
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["checks"] == []


@pytest.mark.usefixtures("stack")
async def test_operations_answer_on_loopback_alone(ports: list[int]) -> None:
    ledger, tiny = ports
    assert listening(tiny) == {"0.0.0.0"}
    assert listening(tiny + 1000) == listening(ledger + 1000) == {"127.0.0.1"}
    for path, what in ((b"/metrics", b"hxp_http_requests"), (b"/info", b"instance"), (b"/healthz?verbose", b"checks")):
        assert what in await raw_answer(tiny + 1000, b"GET " + path + CLOSING)
