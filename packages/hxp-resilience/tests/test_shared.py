"""A rate limit that several processes share: with Redis, with a slow one, and without one."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    Pipeline,
    RateLimitedError,
    SharedRateLimit,
    SharedRateLimitOptions,
    Traits,
)
from hxp_resilience.testing import ManualClock, RecordingHook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio


class Proxy:
    """Stands between the limit and Redis; it can be slow, or gone."""

    def __init__(self, target: str) -> None:
        host, _, rest = target.removeprefix("redis://").partition(":")
        self._target = (host, int(rest.split("/")[0]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.mode = "open"
        self._sockets: list[socket.socket] = []
        Thread(target=self._accept, daemon=True).start()

    def break_off(self, mode: str) -> None:
        self.mode = mode
        for one in self._sockets:
            one.close() if mode != "slow" else None
        if mode != "slow":
            self._sockets.clear()

    def close(self) -> None:
        self._listener.close()
        self.break_off("down")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.mode == "down":
                client.close()
                continue
            upstream = socket.create_connection(self._target)
            self._sockets += [client, upstream]
            for source, sink in ((client, upstream), (upstream, client)):
                Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self.mode == "slow":
                    return  # it never answers
                sink.sendall(data)
        except OSError:
            return
        finally:
            for one in (source, sink):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    made = Proxy(redis_url)
    yield made
    made.close()


@pytest.fixture
async def made() -> AsyncIterator[list[SharedRateLimit]]:
    """Limits to be closed at the end."""
    limits: list[SharedRateLimit] = []
    yield limits
    for limit in limits:
        await limit.aclose()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


async def count(limit: Any, number: int) -> int:
    through = 0
    for _ in range(number):
        try:
            await limit.acquire()
        except RateLimitedError:
            continue
        through += 1
    return through


async def test_several_processes_share_one_limit(redis_url: str, name: str, made: list[SharedRateLimit]) -> None:
    options = SharedRateLimitOptions(20, per=60, patience=5.0)
    limits = [SharedRateLimit(redis_url, options, name=name) for _ in range(4)]
    made += limits
    through = await asyncio.gather(*(count(limit, 10) for limit in limits))
    assert sum(through) == 20  # while Redis is there, there is no overshoot
    with pytest.raises(RateLimitedError, match="more than 20 in 60 s") as caught:
        await limits[0].call(asyncio.sleep, 0)
    assert caught.value.retry_after == 3.0
    assert caught.value.story == "refused, more than 20 in 60 s (shared)"
    with Traits(tenant="other", cost=15):
        await limits[0].acquire()
        with pytest.raises(RateLimitedError):
            await limits[1].acquire()
    assert limits[2].state == "shared"


def test_threads_share_it_too(redis_url: str, name: str) -> None:
    options = SharedRateLimitOptions(5, per=60, patience=5.0)
    one, other = (SharedRateLimit(redis_url, options, name=name) for _ in range(2))
    assert [one.call_sync(len, "abc") for _ in range(3)] == [3, 3, 3]
    assert [other.call_sync(len, "abc") for _ in range(2)] == [3, 3]
    for limit in (one, other):
        with pytest.raises(RateLimitedError):
            limit.call_sync(len, "abc")
        limit.close()


@pytest.mark.parametrize("trouble", ["down", "slow"])
async def test_without_redis_it_goes_on_alone_says_so_and_comes_back(
    trouble: str, proxy: Proxy, name: str, clock: ManualClock, made: list[SharedRateLimit]
) -> None:
    hook = RecordingHook()
    options = SharedRateLimitOptions(1000, per=60, alone=3, patience=0.2, ask_again=1.0)
    limit = SharedRateLimit(proxy.url, options, name=name, clock=clock)
    made.append(limit)
    limit.watch(hook)
    assert await count(limit, 10) == 10
    proxy.break_off(trouble)
    assert await count(limit, 10) == 3
    assert limit.state == "alone"
    assert limit.statistics().lapses == 1
    clock.advance(1.0)
    assert await count(limit, 2) == 0  # asked again, in vain
    proxy.break_off("open")
    clock.advance(1.0)
    assert await count(limit, 10) == 10
    assert limit.state == "shared"
    kinds = [kind for kind in hook.kinds() if not kind.endswith("refused")]
    assert kinds == ["shared_rate_limit.alone", "shared_rate_limit.shared"]


def test_a_thread_goes_on_alone_as_well(proxy: Proxy, name: str, clock: ManualClock) -> None:
    options = SharedRateLimitOptions(100, per=60, alone=1, patience=0.2)
    limit = SharedRateLimit(proxy.url, options, name=name, clock=clock)
    limit.call_sync(len, "a")
    proxy.break_off("down")
    limit.call_sync(len, "a")
    with pytest.raises(RateLimitedError, match=r"more than 100 in 60 s"):
        limit.call_sync(len, "a")
    proxy.break_off("open")
    clock.advance(1.0)
    limit.call_sync(len, "a")
    assert limit.state == "shared"
    limit.close()


async def test_where_redis_never_was_it_is_alone(clock: ManualClock, made: list[SharedRateLimit]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    limit = SharedRateLimit(f"redis://127.0.0.1:{port}/0", SharedRateLimitOptions(100, patience=1.0), clock=clock)
    made.append(limit)
    assert await count(limit, 30) == 10  # a tenth
    hook = RecordingHook()
    pipeline = Pipeline(limit, hooks=[hook])
    pipeline.reload({"shared_rate_limit": {"shadow": True, "alone": 1}})
    assert await pipeline.call(asyncio.sleep, 0, "well") == "well"
    assert [event.shadow for event in hook.events] == [True]
    assert "without Redis 1 in each" in limit.explain()


@pytest.mark.parametrize("twin", ["acquire", "call_sync"])
async def test_a_missing_extra_is_named(twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "limits", None)
    limit = SharedRateLimit("redis://127.0.0.1:1/0", SharedRateLimitOptions(1))
    twins: dict[str, Any] = {
        "acquire": limit.acquire,
        "call_sync": lambda: asyncio.to_thread(limit.call_sync, len, "a"),
    }
    with pytest.raises(ModuleNotFoundError, match=r'pip install "hxp-resilience\[redis\]"'):
        await twins[twin]()


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1.5}, {"per": 0}, {"patience": 0}, {"alone": 0}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        SharedRateLimitOptions(**{"limit": 1, **wrong})
