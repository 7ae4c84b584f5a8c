"""Connections are bounded in number: at the limit those without a request make room, and those with one stay."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import hxp_logging
import pytest
from hxp_logging.testing import capture
from hxp_schemas import HttpConfig
from hxp_services_base.chassis._connections import Connections
from hxp_services_base.chassis._limits import Limits, connections_below
from hxp_testing.net import raw_answer as say
from hxp_testing.net import raw_connection as connected

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Any, TypeAlias

    from hxp_services_base.testing import Running

    Witness: TypeAlias = Callable[..., AbstractAsyncContextManager[Running[Any]]]

pytestmark = pytest.mark.anyio

GET = b"GET /seen HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSE = b"GET /seen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Fake:
    """A connection of nobody."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.deadline = float("inf")
        self.is_stalled = False
        self.aborted = False
        self.ticks: list[float] = []

    def tick(self, now: float) -> None:
        self.ticks.append(now)

    def abort(self) -> None:
        self.aborted = True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Registry(Connections):
    """One with a clock that is set by hand, and a record of what was counted."""

    def __init__(self, **limits: Any) -> None:
        self.counted: list[str] = []
        self.time = Clock()
        super().__init__(
            Limits.of(HttpConfig(**limits)),
            log=hxp_logging.get_logger("test"),
            count=self.counted.append,
            clock=self.time,
        )


def admitted(registry: Connections, count: int, address: str = "127.0.0.1") -> list[Fake]:
    made = [Fake(address) for _ in range(count)]
    for one in made:
        assert registry.admit(one) is None
    return made


def test_at_the_limit_a_body_that_is_still_arriving_makes_room_and_a_whole_request_does_not() -> None:
    registry = Registry(max_connections=4)
    whole, slow, slower = Fake(), Fake(), Fake()
    for connection in (whole, slow, slower, Fake()):
        assert registry.admit(connection) is None
    registry.busy(whole)
    registry.receiving(slow)
    registry.receiving(slower)
    assert registry.admit(Fake()) is None  # the one that has sent nothing makes room
    first = next(iter(registry._fresh))
    registry.busy(first)
    assert registry.admit(Fake()) is None
    assert (whole.aborted, slow.aborted, slower.aborted) == (False, True, False)
    registry.busy(slower)  # its body is whole now
    assert registry.admit(Fake()) is None  # the new one, which has sent nothing, makes room
    assert not slower.aborted


async def test_slow_bodies_do_not_keep_others_out(witness: Witness) -> None:
    """O7: a head, a valid key and one byte of a body each, on every connection there may be."""
    slow = b"POST /seen HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na"
    async with witness(max_connections=10) as running, AsyncExitStack() as stack:
        for _ in range(10):
            _, writer = await stack.enter_async_context(connected(running.host.port))
            writer.write(slow)
            await writer.drain()
        for _ in range(5):
            assert b"200 OK" in await say(running.host.port, CLOSE)


def test_at_the_limit_the_oldest_without_a_request_makes_room_and_the_one_with_one_stays() -> None:
    registry = Registry(max_connections=4)
    busy, first, second, third = admitted(registry, 4)
    registry.busy(busy)
    admitted(registry, 2)
    assert [one.aborted for one in (busy, first, second, third)] == [False, True, True, False]
    assert len(registry) == 4
    assert registry.counted == ["capacity", "capacity"]


def test_new_connections_make_room_before_idle_ones_and_those_on_their_way_out_before_both() -> None:
    registry = Registry(max_connections=4)
    idle, fresh, leaving, busy = admitted(registry, 4)
    for one in (idle, leaving, busy):
        registry.busy(one)
    registry.idle(idle)
    registry.leaving(leaving)
    for gone in (leaving, fresh):
        (extra,) = admitted(registry, 1)
        assert gone.aborted
        registry.busy(extra)
    assert not idle.aborted
    admitted(registry, 1)
    assert idle.aborted
    assert not busy.aborted


def test_where_all_are_busy_the_new_one_is_refused() -> None:
    registry = Registry(max_connections=4)
    for one in admitted(registry, 4):
        registry.busy(one)
    late = Fake()
    assert registry.admit(late) == "capacity"
    registry.gone(late)
    registry.idle(late)
    registry.leaving(late)
    assert len(registry) == 4


def test_one_address_has_its_share_and_loopback_and_proxies_have_no_limit() -> None:
    registry = Registry(max_connections=40, max_connections_per_address=2, proxies=["192.0.2.0/28", "2001:db8::1"])
    for address in ("127.0.0.1", "::1", "192.0.2.7", "2001:db8::1", "::ffff:127.0.0.1", ""):
        admitted(registry, 4, address)
    first, *_ = admitted(registry, 3, "198.51.100.1")
    assert first.aborted
    other = admitted(registry, 2, "198.51.100.2")
    for one in other:
        registry.busy(one)
    assert registry.admit(Fake("198.51.100.2")) == "address_capacity"
    registry.gone(other[0])
    admitted(registry, 1, "198.51.100.2")


def test_the_share_of_an_address_is_a_quarter_unless_given() -> None:
    assert Limits.of(HttpConfig(max_connections=100)).per_address == 25


@pytest.mark.parametrize(("descriptors", "connections"), [(64, 16), (128, 32), (1024, 416), (1_000_000, 8192), (1, 4)])
def test_the_limit_leaves_descriptors_for_upstreams_files_and_the_engine(descriptors: int, connections: int) -> None:
    assert connections_below(descriptors) == connections
    assert Limits.of(HttpConfig(), descriptors=descriptors).connections == connections


def test_no_setting_takes_the_last_descriptors() -> None:
    assert Limits.of(HttpConfig(max_connections=5000), descriptors=1024).connections == 1024 - 192


def test_being_full_is_logged_once_and_again_only_after_it_has_cleared() -> None:
    registry = Registry(max_connections=10)
    with capture() as lines:
        open_ones = admitted(registry, 30)
        registry.time.now += 10
        registry.sweep()
        assert [line["body"][:26] for line in lines] == ["connections at their limit"]
        for one in open_ones:
            registry.gone(one)
        registry.time.now += 10
        registry.sweep()
        admitted(registry, 11)
    bodies = [line["body"] for line in lines]
    assert len(bodies) == 3
    assert bodies[1] == "connections below their limit again"
    assert bodies[0] == bodies[2]


def test_refusals_of_one_reason_are_logged_once_a_minute_with_their_number() -> None:
    registry = Registry()
    with capture() as lines:
        for _ in range(1000):
            registry.refused("host", "192.0.2.1")
        registry.refused("malformed", "192.0.2.1")
        registry.time.now += 61
        registry.refused("host", "192.0.2.1")
    told = [(line["attributes"]["reason"], line["attributes"]["since"]) for line in lines]
    assert told == [("host", 1), ("malformed", 1), ("host", 1000)]
    assert len(registry.counted) == 1002


def test_the_clock_is_looked_at_every_now_and_then() -> None:
    registry = Registry()
    waiting, due, stalled = admitted(registry, 3)
    due.deadline = 105.0
    stalled.is_stalled = True
    for _ in range(20):
        registry.time.now += 0.1
        registry.sweep()
    assert len(stalled.ticks) == 3
    registry.time.now = 106.0
    registry.sweep()
    assert (waiting.ticks, due.ticks) == ([], [106.0])


async def test_silent_connections_do_not_keep_anybody_out(witness: Witness) -> None:
    """R11, small: many more silent connections than there may be, and a real request in between."""
    async with witness(max_connections=10) as running, AsyncExitStack() as stack:
        for number in range(60):
            await stack.enter_async_context(connected(running.host.port))
            if number % 20 == 19:
                assert b"200 OK" in await say(running.host.port, CLOSE)
        server = running.host._uvicorn
        assert server is not None
        assert len(server.server_state.connections) <= 10
        async with running.client.get(f"{running.operations_url}/metrics") as response:
            text = await response.text()
        assert 'hxp_http_refused_total{reason="capacity"}' in text
        assert "hxp_http_connections " in text


async def test_silent_connections_to_operations_take_no_thread_each_and_keep_no_probe_out(witness: Witness) -> None:
    async with witness() as running, AsyncExitStack() as stack:
        port = running.host.probe_port
        for _ in range(150):
            await stack.enter_async_context(connected(port))
        answer = await say(port, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        probes = running.host._probes
        assert probes is not None
        assert len(probes._state.connections) <= 64


@pytest.mark.parametrize(
    "sent", [b"GET /" + b"a" * 100_000, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200, b"nonsense\r\n\r\n"]
)
async def test_operations_have_the_same_bounds(witness: Witness, sent: bytes) -> None:
    async with witness() as running:
        assert (await say(running.host.probe_port, sent)).startswith(b"HTTP/1.1 4")


async def test_where_all_connections_work_a_new_one_is_told_so(witness: Witness) -> None:
    async with witness(max_connections=4) as running, AsyncExitStack() as stack:
        shell = running.host._shell
        assert shell is not None
        writers = []
        for _ in range(4):
            _, writer = await stack.enter_async_context(connected(running.host.port))
            writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            writers.append(writer)
        async with asyncio.timeout(5):
            while len(shell.in_flight) < 4:
                await asyncio.sleep(0.01)
        answer = await say(running.host.port)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"too_many_connections" in answer
        writers[0].close()
        async with asyncio.timeout(5):
            while len(shell.in_flight) == 4:
                await asyncio.sleep(0.01)
        assert b"200 OK" in await say(running.host.port, CLOSE)


async def test_the_probe_thread_survives_a_lack_of_descriptors_and_logs_it_once(witness: Witness) -> None:
    """P10, D5: at the limit every accept fails, again and again."""
    async with witness() as running:
        probes = running.host._probes
        assert probes is not None
        with capture() as lines:
            for _ in range(100):
                probes._failed(probes._loop, {"message": "accept", "exception": OSError(24, "Too many open files")})
            probes._failed(probes._loop, {"message": "something else"})
        assert [line["attributes"]["since"] for line in lines] == [1, 1]
