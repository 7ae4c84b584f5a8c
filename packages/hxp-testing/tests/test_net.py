import asyncio
import random
import socket

import pytest
from hxp_testing import net
from hxp_testing.net import free_ports, raw_answer


def test_ports_and_their_probe_ports_are_all_different() -> None:
    ports = free_ports(20)
    assert len({*ports, *(port + 1000 for port in ports)}) == 40
    assert max(ports) < 64000


def test_a_taken_port_or_probe_port_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    [first] = free_ports(1)
    monkeypatch.setattr(net, "_LOWEST", first)
    monkeypatch.setattr(net, "_HIGHEST", first + 1)
    for taken in (first, first + 1000):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", taken))
            with pytest.raises(OSError, match="no 1 free ports"):
                free_ports(1)


def test_the_choice_can_be_repeated() -> None:
    assert free_ports(3, choose=random.Random(1)) == free_ports(3, choose=random.Random(1))


def test_the_fixture_is_there(free_port: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port))


@pytest.mark.anyio
async def test_exactly_the_bytes_that_were_given_are_sent_and_all_that_comes_back_is_returned() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(4)).upper())
        if reader.at_eof():
            return
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await raw_answer(port, b"a\0", b"bc", b".") == b"A\0BC"
        assert await raw_answer(port, b"abcd", seconds=0.05) == b"ABCD"
