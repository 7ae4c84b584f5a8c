"""A pool under everything that an upstream can do (U1-U6)."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hxp_resilience import CircuitBreakerOptions
from hxp_schemas import ErrorInfo
from hxp_services_base import (
    BaseIntegrationService,
    BaseService,
    Context,
    Identity,
    NotSentError,
    Settings,
    StartError,
    UpstreamError,
    UpstreamOptions,
    UpstreamPool,
)
from hxp_services_base.testing import hosted
from hxp_testing.net import free_port
from hxp_testing.upstream import BlackHole, CutAfter, Drip, Reply, Reset, ScriptedUpstream, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hxp_testing.upstream import Behaviour, Request

pytestmark = pytest.mark.anyio

QUICK = UpstreamOptions("up", "", first_byte_timeout=0.2, idle_timeout=0.2, connect_timeout=0.5, max_body=1000)


async def ask(context: Context, *script: Behaviour, options: UpstreamOptions = QUICK) -> bytes:
    async with ScriptedUpstream(list(script)) as server:
        pool = UpstreamPool(replace(options, url=server.url))
        async with pool.open(context), pool.request("POST", "/x", body=b"{}") as response:
            return await response.read()


async def test_an_answer_arrives_and_the_connection_is_used_again(context: Context) -> None:
    async with ScriptedUpstream([Reply(200, {}, b"fine")]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url, token="hush"))
        async with pool.open(context):
            for _ in range(3):
                async with pool.request("GET", "/x") as response:
                    assert (response.status, await response.read()) == (200, b"fine")
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer hush"] * 3
        assert pool.breaker.statistics().failures == 0


async def time_passes(seconds: float) -> None:
    """Let the time limits of the real loop run."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        await asyncio.sleep(0.01)


async def keep_asking(pool: UpstreamPool) -> None:
    for _ in range(30):
        async with pool.request("GET", "/x") as response:
            await response.read()


async def leave_early(pool: UpstreamPool) -> None:
    async with pool.request("GET", "/x") as response:
        async for _ in response.chunks():
            raise RuntimeError("enough")


async def test_a_refused_connection_is_a_502_and_tried_again_since_nothing_was_sent(context: Context) -> None:
    pool = UpstreamPool(replace(QUICK, url=f"http://127.0.0.1:{free_port()}"))
    async with pool.open(context):
        with pytest.raises(NotSentError, match="up cannot be reached") as caught:
            async with pool.request("POST", "/x"):
                pass
    assert (caught.value.info.status, caught.value.info.retryable) == (502, True)
    assert pool.breaker.statistics().failures == 2


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (Reset(), 502, "upstream_broke_off"),
        (BlackHole(), 504, "upstream_timeout"),
        (CutAfter(150), 502, "upstream_broke_off"),
        (Drip(b"x" * 50, 0.5), 504, "upstream_timeout"),
        (Reply(200, {}, b"x" * 2000), 502, "upstream_too_large"),
    ],
)
async def test_each_fault_is_told_in_time_and_sent_once(
    context: Context, behaviour: Behaviour, status: int, code: str
) -> None:
    """U1, U2, U3, U4, U6."""
    async with asyncio.timeout(5), ScriptedUpstream([behaviour]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url))
        async with pool.open(context):
            with pytest.raises(UpstreamError) as caught:
                async with pool.request("POST", "/x", body=b"{}") as response:
                    await response.read()
        assert (caught.value.info.status, caught.value.info.code) == (status, code)
        assert len(server.requests) == 1
        assert pool.breaker.statistics().failures == 1


async def test_a_slow_but_moving_stream_is_no_failure(context: Context) -> None:
    chunks = [b"data: 1\n\n"] * 8
    assert await ask(context, Stream(chunks, delay=0.05)) == b"".join(chunks)


async def test_a_total_time_limit_ends_even_a_moving_stream(context: Context) -> None:
    options = replace(QUICK, total_timeout=0.3)
    with pytest.raises(UpstreamError, match=r"took longer than 0\.3 s"):
        await ask(context, Stream([b"data: 1\n\n"] * 100, delay=0.02), options=options)


async def test_an_upstream_that_keeps_failing_is_given_a_rest_and_says_so_in_health(context: Context) -> None:
    async with ScriptedUpstream([Reply(500, {}, b"no")]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url))
        async with pool.open(context):
            check = pool.checks()[0]
            assert await check.run() is None
            with pytest.raises(UpstreamError) as caught:
                await keep_asking(pool)
            assert caught.value.info.code == "upstream_unavailable"
            assert caught.value.info.retry_after is not None
            assert "open" in str(await check.run())
            assert not check.critical


async def test_server_errors_open_the_circuit_although_their_reader_raises(context: Context) -> None:
    async with ScriptedUpstream([Reply(500, {}, b"no")]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url))
        async with pool.open(context):
            codes = [await refused(pool) for _ in range(40)]
        assert codes[-1] == "upstream_unavailable"
        assert len(server.requests) == 5  # the least number that opens it


async def refused(pool: UpstreamPool) -> str:
    """Ask once and raise inside the block, as a gateway does with an answer that it cannot pass on."""
    with pytest.raises(UpstreamError) as caught:
        async with pool.request("GET", "/x") as response:
            raise UpstreamError(ErrorInfo.from_response(response.status, await response.read(), {}))
    return str(caught.value.info.code)


async def test_a_reader_that_stalls_or_an_answer_that_is_long_is_no_fault_of_the_upstream(context: Context) -> None:
    async with ScriptedUpstream([Stream([b"data: 1\n\n"] * 1000, delay=0.02)]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url, total_timeout=0.8))
        async with pool.open(context):
            with pytest.raises(UpstreamError, match="took longer"):  # noqa: PT012 (raised by one of the pieces)
                async with pool.request("GET", "/x") as response:
                    async for _ in response.chunks():
                        await time_passes(0.3)  # longer than idle_timeout, which the upstream's pieces are held to
        assert pool.breaker.statistics().failures == 0


async def test_a_half_open_circuit_closes_at_the_head_of_a_stream_that_nobody_reads_on(context: Context) -> None:
    async with ScriptedUpstream([Stream([b"data: 1\n\n"] * 1000, delay=0.01)]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url))
        pool.breaker.reload(CircuitBreakerOptions(wait_duration_in_open_state=0.0))
        pool.breaker.open()
        async with pool.open(context), pool.request("GET", "/x"), pool.request("GET", "/x") as second:
            assert second.status == 200
            assert pool.breaker.state == "closed"


async def test_a_whole_answer_may_take_the_total_time(context: Context) -> None:
    async def slowly(_request: Request) -> Behaviour:
        await time_passes(0.4)
        return Reply(200, {}, b"ok")

    async with ScriptedUpstream(slowly) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url))
        async with pool.open(context):
            async with pool.request("POST", "/x", whole=True) as response:
                assert await response.read() == b"ok"
            with pytest.raises(UpstreamError, match="did not begin to answer"):
                async with pool.request("POST", "/x"):
                    pass


async def test_places_are_given_back_whatever_ends_the_request(context: Context) -> None:
    script: list[Behaviour] = [Reset(), CutAfter(150), Reply(500, {}, b"no"), Reply(200, {}, b"fine")]
    async with ScriptedUpstream(script) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url, max_connections=1))
        async with pool.open(context):
            for _ in range(8):
                with contextlib.suppress(UpstreamError, RuntimeError):
                    await leave_early(pool)
                await refused(pool)
            pool.breaker.close()
            async with pool.request("GET", "/x") as response:
                assert await response.read() == b"fine"


async def test_an_answer_that_turns_out_bad_counts_as_a_failure_once(context: Context) -> None:
    async with ScriptedUpstream([Reply(200, {}, b"<html>")]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url))
        async with pool.open(context), pool.request("GET", "/x") as response:
            await response.read()
            response.failed()
            response.failed()
        assert pool.breaker.statistics().failures == 1


async def test_leaving_early_aborts_the_work_upstream_and_blames_nobody(context: Context) -> None:
    async with ScriptedUpstream([Stream([b"data: 1\n\n"] * 1000, delay=0.05)]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url))
        async with pool.open(context):
            with pytest.raises(RuntimeError, match="enough"):
                await leave_early(pool)
            await asyncio.wait_for(server.disconnects.wait(), 2.0)
        assert pool.breaker.statistics().failures == 0


async def test_a_cancelled_wait_for_the_first_byte_blames_nobody(context: Context) -> None:
    async with ScriptedUpstream([BlackHole()]) as server:
        pool = UpstreamPool(replace(QUICK, url=server.url, first_byte_timeout=30.0))
        async with pool.open(context):

            async def wait() -> None:
                async with pool.request("GET", "/x"):
                    pass

            waiting = asyncio.create_task(wait())
            while not server.requests:
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert pool.breaker.statistics().failures == 0


async def test_no_more_connections_are_made_than_allowed(context: Context) -> None:
    async with ScriptedUpstream([BlackHole()]) as server:
        options = replace(QUICK, url=server.url, max_connections=2, connect_timeout=0.1, first_byte_timeout=5.0)
        pool = UpstreamPool(options)
        async with pool.open(context):

            async def ask_once() -> None:
                async with pool.request("GET", "/x"):
                    pass

            holding = [asyncio.create_task(ask_once()) for _ in range(2)]
            while len(server.requests) < 2:
                await asyncio.sleep(0)
            with pytest.raises(NotSentError) as caught:
                await ask_once()
            assert (caught.value.info.status, caught.value.info.code) == (503, "upstream_saturated")
            assert pool.breaker.statistics().failures == 0  # a full pool is no fault of the upstream
            assert server.connections == 2
            for task in holding:
                task.cancel()
            await asyncio.gather(*holding, return_exceptions=True)


class Quiet(BaseService[Settings]):
    lame_duck = 0.0


async def test_an_upstream_that_comes_back_is_reached_again(context: Context) -> None:
    identity = Identity("up", port=free_port())
    pool = UpstreamPool(replace(QUICK, url=f"http://127.0.0.1:{identity.port}"))
    async with pool.open(context):
        for _ in range(2):
            async with hosted(Quiet(), identity=identity), pool.request("GET", "/readyz") as response:
                assert response.status == 200
                await response.read()
            with pytest.raises(UpstreamError):
                async with pool.request("GET", "/readyz") as response:
                    await response.read()


class Front(BaseIntegrationService[Settings]):
    """An integration service with the upstreams that a test gives it."""

    lame_duck = 0.0

    def __init__(self, *options: UpstreamOptions) -> None:
        self.options = options

    def upstreams(self, context: Context) -> Sequence[UpstreamOptions]:
        return self.options


async def test_the_base_opens_a_pool_for_each_upstream() -> None:
    service = Front(UpstreamOptions("a", "http://a"), UpstreamOptions("b", "http://b"))
    async with hosted(service) as running:
        assert sorted(service.pools) == ["a", "b"]
        async with running.client.get(f"{running.operations_url}/healthz?verbose") as response:
            names = [check["name"] for check in (await response.json())["checks"]]
            assert names == ["upstream:a", "upstream:b"]


async def test_two_upstreams_of_one_name_are_refused() -> None:
    with pytest.raises(StartError, match="two upstreams are named 'a'"):
        async with hosted(Front(UpstreamOptions("a", "http://a"), UpstreamOptions("a", "http://b"))):
            pass
