import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
from hxp_testing.clock import ManualClock
from hxp_testing.leaks import no_leaks
from hxp_testing.upstream import (
    Behaviour,
    BlackHole,
    CutAfter,
    Drip,
    Garbage,
    Reply,
    Request,
    Reset,
    ScriptedUpstream,
    Stream,
)

pytestmark = pytest.mark.anyio
GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def ask(server: ScriptedUpstream, data: bytes = GET) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(data)
        return await reader.read()
    finally:
        writer.close()


def announced(behaviour: Behaviour) -> tuple[Callable[[Request], Behaviour], asyncio.Event]:
    """A script of one behaviour, and an event that is set when a request has come."""
    arrived = asyncio.Event()

    def script(_: Request) -> Behaviour:
        arrived.set()
        return behaviour

    return script, arrived


async def test_a_script_is_played_in_order_and_its_last_line_repeats() -> None:
    async with no_leaks(), ScriptedUpstream([Reply(503), Reply(599), Reply(body={"ok": True})]) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        answers = [await ask(server) for _ in range(4)]
    assert [answer.split(b"\r\n")[0] for answer in answers] == [
        b"HTTP/1.1 503 Service Unavailable",
        b"HTTP/1.1 599 Unknown",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK",
    ]
    assert json.loads(answers[-1].split(b"\r\n\r\n")[1]) == {"ok": True}
    assert server.connections == 4
    assert server.disconnects.count == 0


async def test_what_is_queued_comes_first() -> None:
    async with ScriptedUpstream() as server:
        server.queue(Reply(429), Reply(body="text"))
        assert b" 429 " in await ask(server)
        assert (await ask(server)).endswith(b"text")
        assert b"Content-Length: 0" in await ask(server)


async def test_a_script_may_be_a_function() -> None:
    def plain(request: Request) -> Behaviour:
        return Reply(headers={"X-Path": request.path})

    async def slow(request: Request) -> Behaviour:
        await asyncio.sleep(0)
        return plain(request)

    for script in (plain, slow):
        async with ScriptedUpstream(script) as server:
            assert b"X-Path: /a?b=c" in await ask(server)


async def test_the_journal_holds_what_was_asked() -> None:
    body = b'{"a": 1}'
    sized = b"POST /p HTTP/1.1\r\nX-One:  1 \r\nContent-Length: 8\r\n\r\n" + body
    chunked = (
        b"POST /q HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        b'3;x=y\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n'
    )
    async with ScriptedUpstream() as server:
        answer = await ask(server, sized + chunked)
    first, second = server.requests
    assert (first.method, first.path, first.headers["x-one"], first.json()) == ("POST", "/p", "1", {"a": 1})
    assert (second.path, second.body) == ("/q", body)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"HTTP/1.1 100 Continue") == 1
    assert server.connections == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_a_client_that_speaks_no_http_is_shown_the_door(data: bytes) -> None:
    async with no_leaks(), ScriptedUpstream() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(data)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert server.requests == []


async def test_a_stream_comes_in_chunks_and_can_be_held() -> None:
    clock, gate = ManualClock(auto_advance=True), asyncio.Event()
    script = [Stream([b"one", gate, b"", b"two"], delay=0.5)]
    async with ScriptedUpstream(script, sleep=clock.sleep) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        assert (await reader.readuntil(b"one\r\n")).endswith(b"\r\n\r\n3\r\none\r\n")
        gate.set()
        assert await reader.read() == b"3\r\ntwo\r\n0\r\n\r\n"
        writer.close()
    assert clock() == 1.5


async def test_a_stream_may_be_asynchronous_and_lack_its_end() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"

    async with ScriptedUpstream([Stream(chunks(), end=False)]) as server:
        assert (await ask(server)).endswith(b"3\r\none\r\n")


async def test_a_reset_is_a_reset() -> None:
    """U1."""
    async with no_leaks(), ScriptedUpstream([Reset(), Reset(after=b"HTTP/1.1 200 OK\r\n\r\n")]) as server:
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                await ask(server)
    assert server.disconnects.count == 0


async def test_a_black_hole_waits_until_the_client_has_left() -> None:
    """U1."""
    script, arrived = announced(BlackHole())
    async with no_leaks(), ScriptedUpstream(script) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        await arrived.wait()
        writer.close()
        await asyncio.wait_for(server.disconnects.wait(), 5)
    assert server.disconnects.count == 1


async def test_a_client_that_leaves_a_stream_is_noticed() -> None:
    gate = asyncio.Event()
    async with no_leaks(), ScriptedUpstream([Stream([b"one", gate])]) as server:
        for count in (1, 2):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(GET)
            await reader.readuntil(b"one")
            writer.transport.abort() if count == 1 else writer.close()
            await asyncio.wait_for(server.disconnects.wait(count), 5)


async def test_a_client_that_stops_reading_and_resets_is_noticed() -> None:
    async with no_leaks(), ScriptedUpstream([Stream([b"x" * 1_000_000] * 50)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        await reader.readexactly(10)
        writer.transport.abort()
        await asyncio.wait_for(server.disconnects.wait(), 5)


async def test_a_drip_comes_byte_by_byte() -> None:
    """U4."""
    clock = ManualClock(auto_advance=True)
    async with ScriptedUpstream([Drip(b"slow", 2.0)], sleep=clock.sleep) as server:
        assert (await ask(server)).endswith(b"Content-Length: 4\r\n\r\nslow")
    assert clock.slept == [2.0] * 4


async def test_a_cut_answer_promises_more_than_it_gives() -> None:
    """U2."""
    async with ScriptedUpstream([CutAfter(3, Reply(body=b"abcdef")), CutAfter(0)]) as server:
        assert (await ask(server)).endswith(b"Content-Length: 6\r\n\r\nabc")
        assert (await ask(server)).endswith(b"Content-Length: 65536\r\n\r\n")


async def test_garbage_is_no_http() -> None:
    """U3."""
    async with ScriptedUpstream([Garbage()]) as server:
        assert not (await ask(server)).startswith(b"HTTP")


async def test_leaving_the_block_ends_what_still_runs() -> None:
    script, arrived = announced(BlackHole())
    async with no_leaks(), ScriptedUpstream(script) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        await arrived.wait()
    assert await reader.read() == b""
    writer.close()


async def test_leaving_the_block_does_not_wait_for_a_client_that_reads_no_more() -> None:
    script, arrived = announced(Reply(body=b"x" * 20_000_000))
    async with asyncio.timeout(10), no_leaks():
        async with ScriptedUpstream(script) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(GET)
            await arrived.wait()
        writer.transport.abort()


async def test_a_behaviour_that_fails_closes_the_connection() -> None:
    class Broken:
        async def play(self, exchange: object) -> None:
            raise ValueError("a mistake in the test")

    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context["exception"])))
    async with ScriptedUpstream([Broken()]) as server:
        assert await ask(server) == b""
    assert problems == ["a mistake in the test"]
