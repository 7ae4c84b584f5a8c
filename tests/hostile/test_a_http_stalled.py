"""A client of the gateway that stops reading in the middle of a long answer (R12).

The gateway is real; the ledger and the upstream are scripted, because no bundled model says enough to fill a socket.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_gateway import GatewayService, GatewaySettings
from hxp_schemas import HttpConfig, KeyRecord, KeySnapshot
from hxp_services_base import Identity, Pepper, new_key
from hxp_services_base.testing import hosted
from hxp_testing.upstream import Reply, ScriptedUpstream, Stream

if TYPE_CHECKING:
    from pathlib import Path

    from hxp_testing.upstream import Behaviour, Request

pytestmark = pytest.mark.anyio

SEND_TIMEOUT = 1.0
EVENT = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * 8000)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_client_that_stops_reading_ends_its_request_here_and_upstream(tmp_path: Path) -> None:
    state = tmp_path / ".hxp"
    state.mkdir(mode=0o700)
    made = new_key(Pepper.load_or_create(state / "pepper"))
    known = {"id": made.id, "name": "t", "digest": made.digest, "created_at": "2026-01-01T00:00:00Z"}
    snapshot = KeySnapshot(version=2, keys=[KeyRecord.model_validate(known)]).model_dump_json().encode()
    records: list[dict[str, Any]] = []

    def ledger(request: Request) -> Behaviour:
        if request.path.startswith("/v1/keys/snapshot"):
            return Reply(200, {}, snapshot)
        batch = orjson.loads(request.body)["records"]
        records.extend(batch)
        return Reply(200, {}, orjson.dumps({"accepted": len(batch), "duplicates": 0}))

    async with ScriptedUpstream(ledger) as book, ScriptedUpstream([Stream([EVENT] * 4000)]) as upstream:
        identity = Identity(
            "gateway",
            instance="gateway-0",
            state_dir=state,
            refs={"ledger": book.url, "tiny": upstream.url},
            http=HttpConfig(send_timeout=SEND_TIMEOUT),
        )
        settings = GatewaySettings.model_validate(
            {"upstreams": [{"name": "tiny", "service": "tiny", "models": ["mock"]}], "ship_interval": 0.1}
        )
        async with hosted(GatewayService(), settings, identity=identity) as running:
            shell = running.host._shell
            assert shell is not None
            with deaf_client(running.host.port, made.plaintext):
                async with asyncio.timeout(10):
                    while not len(shell.in_flight):
                        await asyncio.sleep(0.01)
                async with asyncio.timeout(10 * SEND_TIMEOUT):
                    await shell.in_flight.wait_empty()
                    await upstream.disconnects.wait(1)
                    while not records:
                        await asyncio.sleep(0.05)
            async with running.client.get(f"{running.operations_url}/metrics") as response:
                assert 'hxp_http_refused_total{reason="send_timeout"} 1.0' in await response.text()
    assert [record["status"] for record in records] == ["cancelled"]


def deaf_client(port: int, key: str) -> socket.socket:
    """Ask for a long stream, and read none of it."""
    body = orjson.dumps({"model": "mock", "stream": True, "messages": [{"role": "user", "content": "long"}]})
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (key.encode(), len(body), body)
    )
    return client
