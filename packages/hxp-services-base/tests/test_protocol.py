"""HTTP/1.1 as RFC 9110 and 9112 have it, over real sockets: what is refused, and what is read."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest
from hxp_logging.testing import capture
from hxp_testing.net import raw_answer as say
from hxp_testing.net import raw_connection as connected

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Any, TypeAlias

    from hxp_services_base.testing import Running

    Witness: TypeAlias = Callable[..., AbstractAsyncContextManager[Running[Any]]]

pytestmark = pytest.mark.anyio

HEAD = b"Host: x\r\n"
GET = b"GET /seen HTTP/1.1\r\n" + HEAD + b"\r\n"
POST = b"POST /seen HTTP/1.1\r\n" + HEAD
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSE = b"GET /seen HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HEAD + b"\r\n"

MALFORMED = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "host with a user": b"GET / HTTP/1.1\r\nHost: u@x\r\n\r\n",
    "host with a space": b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
    "host with a bad port": b"GET / HTTP/1.1\r\nHost: x:80a\r\n\r\n",
    "host that is a list": b"GET / HTTP/1.1\r\nHost: x, y /\r\n\r\n",
    "host in half a bracket": b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a list of lengths": POST + b"Content-Length: 1, 1\r\n\r\na",
    "a signed length": POST + b"Content-Length: +1\r\n\r\na",
    "an empty length": POST + b"Content-Length:\r\n\r\na",
    "a length past 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\na",
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and something": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "not quite chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /seen HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk size that is none": CHUNKED + b"zz\r\na\r\n0\r\n\r\n",
    "a chunk size in C": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "a chunk size past 64 bits": CHUNKED + b"fffffffffffffffff\r\na",
    "a chunk size with a bare LF": CHUNKED + b"1\na\r\n0\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    "a blank before the first header": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "a NUL in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "a NUL in a name": b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
    "an unknown method": b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target with a blank": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target beyond ASCII": b"GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target of another scheme": b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target with a user": b"GET http://u:p@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
async def test_what_breaks_the_protocol_gets_one_400_and_the_connection_ends(witness: Witness, sent: bytes) -> None:
    """R9, R13."""
    async with witness() as running:
        answer = await say(running.host.port, sent + SMUGGLED)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.count(b"HTTP/1.1") == 1
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"\r\nconnection: close" in head
        assert b"\r\nx-request-id: req_" in head
        assert b"\r\nx-content-type-options: nosniff" in head
        assert json.loads(body)["status" if b"problem+json" in head else "error"]
        assert not any(scope["path"] == "/smuggled" for scope in running.service.seen)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\n\r\n", 505),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 405),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ],
)
async def test_what_is_not_offered_is_refused(witness: Witness, sent: bytes, status: int) -> None:
    async with witness() as running:
        answer = await say(running.host.port, sent)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert running.service.seen == []


async def test_a_refusal_speaks_the_dialect_of_the_path_as_far_as_it_is_known(witness: Witness) -> None:
    async with witness() as running:
        openai = await say(running.host.port, b"POST /v1/chat/completions HTTP/1.1\r\n\r\n")
        assert json.loads(openai.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_host"
        problem = await say(running.host.port, b"POST /other HTTP/1.1\r\n\r\n")
        assert json.loads(problem.partition(b"\r\n\r\n")[2])["code"] == "invalid_host"


async def test_refusals_are_counted_and_logged_at_a_bounded_rate(witness: Witness) -> None:
    with capture() as lines:
        async with witness() as running:
            for _ in range(5):
                await say(running.host.port, b"GET / HTTP/1.1\r\n\r\n")
            async with running.client.get(f"{running.operations_url}/metrics") as response:
                assert 'hxp_http_refused_total{reason="host"} 5.0' in await response.text()
    assert sum(line["body"] == "connection refused" for line in lines) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /seen HTTP/1.0\r\n\r\n",
        b"GET /seen HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        b"GET /seen HTTP/1.1\r\nHost: [::1]:8000\r\nConnection: close\r\n\r\n",
        b"GET /seen HTTP/1.1\r\nHost: a-b.example:\r\nConnection: close\r\n\r\n",
        b"GET http://x/seen HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n",
        b"GET /see%6e#part HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n",
        b"\r\n\r\n" + CLOSE,
    ],
)
async def test_what_the_protocol_allows_is_answered(witness: Witness, sent: bytes) -> None:
    async with witness() as running:
        answer = await say(running.host.port, sent)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"GET /seen " in answer


async def test_a_target_in_absolute_form_says_which_host_is_meant(witness: Witness) -> None:
    async with witness() as running:
        sent = b"GET http://right:81?q=1 HTTP/1.1\r\nHost: wrong\r\nConnection: close\r\n\r\n"
        assert b"GET / q=1 " in await say(running.host.port, sent)
        assert (b"host", b"right:81") in running.service.seen[0]["headers"]


async def test_options_may_ask_about_the_server_as_a_whole(witness: Witness) -> None:
    async with witness() as running:
        assert b"OPTIONS * " in await say(running.host.port, b"OPTIONS * HTTP/1.0\r\n\r\n")


async def test_an_upgrade_that_is_not_offered_is_ignored(witness: Witness) -> None:
    upgrade = b"GET /seen HTTP/1.1\r\n" + HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with witness() as running:
        assert (await say(running.host.port, upgrade + CLOSE)).count(b"HTTP/1.1 200") == 2
        assert (await say(running.host.port, upgrade, CLOSE)).count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_the_body_of_a_request_that_asks_for_an_upgrade_is_no_second_request(
    witness: Witness, protocol: bytes, framing: str
) -> None:
    """R9: the parser takes what follows such a head for another protocol."""
    hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    head = POST + b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nUpgrade: " + protocol + b"\r\n"
    if framing == "length":
        sent = head + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden
    else:
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    async with witness() as running:
        for parts in ((sent + CLOSE,), (sent[:40], sent[40:], CLOSE)):
            answer = await say(running.host.port, *parts)
            assert answer.count(b"HTTP/1.1 200") == 2
            assert b"] %d" % len(hidden) in answer
        assert all(scope["path"] != "/hidden" for scope in running.service.seen)


async def test_trailers_never_become_headers(witness: Witness) -> None:
    """R13: an Authorization in a trailer once turned 200 into 401."""
    trailer = b"1\r\na\r\n0\r\nAuthorization: Bearer x\r\nHost: y\r\n\r\n"
    async with witness() as running:
        answer = await say(running.host.port, CHUNKED + trailer + CLOSE)
        assert answer.count(b"HTTP/1.1 200") == 2
        assert b"[host,transfer-encoding] 1" in answer


@pytest.mark.parametrize(
    "coding",
    [b"gzip", b"br", b"gzip\r\nContent-Encoding: identity", b"GZIP, identity", b"identity, gzip", b"aes128gcm"],
)
async def test_a_coded_body_is_415(witness: Witness, coding: bytes) -> None:
    async with witness() as running:
        sent = POST + b"Content-Encoding: " + coding + b"\r\nContent-Length: 4\r\n\r\nabcd"
        answer = await say(running.host.port, sent + CLOSE)
        assert answer.startswith(b"HTTP/1.1 415")
        assert b"accept-encoding: identity" in answer
        plain = POST + b"Content-Encoding: Identity\r\nConnection: close\r\nContent-Length: 4\r\n\r\nabcd"
        assert b"200 OK" in await say(running.host.port, plain)


async def test_a_stranger_learns_that_the_key_is_wrong_before_the_coding_is(witness: Witness) -> None:
    """A2."""
    async with witness() as running:
        sent = b"POST /refuse HTTP/1.1\r\n" + HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na"
        assert (await say(running.host.port, sent + CLOSE)).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("path", ["/seen", "/readyz", "/metrics", "/big?100000"])
async def test_head_is_get_without_the_body(witness: Witness, path: str) -> None:
    lines = []
    async with witness() as running:
        for method in ("GET", "HEAD"):
            answer = await say(
                running.host.port, f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            head, _, body = answer.partition(b"\r\n\r\n")
            assert bool(body) is (method == "GET")
            varying = (b"x-request-id", b"date")
            lines.append([line for line in head.split(b"\r\n") if not line.startswith(varying)])
    assert lines[0] == lines[1]


async def test_head_works_on_the_operations_port(witness: Witness) -> None:
    async with witness() as running:
        for path in ("/metrics", "/info", "/readyz"):
            async with running.client.head(f"{running.operations_url}{path}") as response:
                assert (response.status, await response.read()) == (200, b"")
        async with running.client.post(f"{running.operations_url}/info") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_accepted_sockets_send_small_answers_at_once(witness: Witness) -> None:
    async with witness() as running, connected(running.host.port) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        server = running.host._uvicorn
        assert server is not None
        (connection,) = server.server_state.connections
        sock = connection._transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_client_that_waits_for_100_continue_gets_it(witness: Witness) -> None:
    async with witness() as running, connected(running.host.port) as (reader, writer):
        writer.write(POST + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abcd")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_client_that_waits_for_100_continue_is_refused_without_it(witness: Witness) -> None:
    async with witness() as running:
        sent = b"POST /refuse HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        answer = await say(running.host.port, sent)
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in answer


async def test_pipelined_requests_are_answered_in_order(witness: Witness) -> None:
    async with witness() as running:
        sent = b"".join(b"GET /seen?%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5))
        answer = await say(running.host.port, sent + CLOSE)
        assert [answer.index(b"/seen %d " % number) for number in range(5)] == sorted(
            answer.index(b"/seen %d " % number) for number in range(5)
        )
        assert answer.count(b"HTTP/1.1 200") == 6


async def test_a_body_in_many_pieces_is_put_together(witness: Witness) -> None:
    async with witness() as running:
        big = b"x" * 300_000
        sent = POST + b"Connection: close\r\nContent-Length: 300000\r\n\r\n" + big
        assert b"] 300000" in await say(running.host.port, sent)
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(big[i : i + 999]), big[i : i + 999]) for i in range(0, len(big), 999))
        assert b"] 300000" in await say(running.host.port, CHUNKED + chunks + b"0\r\n\r\n" + CLOSE)
        byte_by_byte = POST + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc"
        assert b"] 3" in await say(running.host.port, *(byte_by_byte[i : i + 1] for i in range(len(byte_by_byte))))


async def test_a_client_that_closes_its_half_has_left(witness: Witness) -> None:
    async with witness() as running, connected(running.host.port) as (reader, writer):
        writer.write(b"GET /wait HTTP/1.1\r\n" + HEAD + b"\r\n")
        shell = running.host._shell
        assert shell is not None
        async with asyncio.timeout(5):
            while not len(shell.in_flight):
                await asyncio.sleep(0.01)
            writer.write_eof()
            await shell.in_flight.wait_empty()
            assert await reader.read() == b""
