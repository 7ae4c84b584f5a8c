"""Exchanges and bodies, message by message: the orders in which things may happen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hxp_schemas import ErrorInfo
from hxp_services_base.chassis import ClientLeftError, Exchange, InFlight, ServiceError, read_body

if TYPE_CHECKING:
    from hxp_services_base.chassis import Receive

pytestmark = pytest.mark.anyio

SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/x", "headers": []}
GOING = ErrorInfo(code="server_shutdown", message="going", status=503)


def messages(*given: dict[str, Any]) -> Receive:
    queue = list(given)

    async def receive() -> dict[str, Any]:
        if queue:
            return queue.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


async def cancelled(exchange: Exchange) -> bool:
    """Whether the running task was cancelled on behalf of the exchange."""
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        return True
    return False


async def test_a_cut_cancels_its_handler_once_and_an_ended_one_not_at_all() -> None:
    exchange = Exchange("r", SCOPE, now=0.0)
    exchange.cut_short(GOING)
    assert await cancelled(exchange)
    exchange.cut_short(GOING)
    assert not await cancelled(exchange)
    ended = Exchange("r", SCOPE, now=0.0)
    ended.ended = True
    ended.cut_short(GOING)
    assert ended.cut is None
    assert not await cancelled(ended)


async def test_only_a_disconnect_before_the_end_means_that_the_client_left() -> None:
    exchange = Exchange("r", SCOPE, now=0.0)
    more = {"type": "http.request", "body": b"", "more_body": False}
    with pytest.raises(asyncio.CancelledError):
        async with exchange.cancelled_when_client_leaves(messages(more, {"type": "http.disconnect"})):
            await asyncio.Event().wait()
    asyncio.current_task().uncancel()  # type: ignore[union-attr]  # a test runs in a task
    assert exchange.client_left
    ended = Exchange("r", SCOPE, now=0.0)
    ended.ended = True
    async with ended.cancelled_when_client_leaves(messages({"type": "http.disconnect"})):
        await asyncio.sleep(0)
    assert not ended.client_left


async def test_nothing_is_under_way_once_all_have_ended() -> None:
    in_flight = InFlight()
    one, two = Exchange("1", SCOPE, now=0.0), Exchange("2", SCOPE, now=0.0)
    in_flight.add(one)
    in_flight.add(two)
    in_flight.remove(one)
    assert len(in_flight) == 1
    in_flight.remove(two)
    await in_flight.wait_empty()
    assert in_flight.cut_all(GOING) == 0


async def test_a_body_may_come_in_pieces_and_is_bounded_in_each() -> None:
    pieces = [{"type": "http.request", "body": b"ab", "more_body": more} for more in (True, True, False)]
    assert await read_body(SCOPE, messages(*pieces), limit=6) == b"ababab"
    with pytest.raises(ServiceError, match="413"):
        await read_body(SCOPE, messages(*pieces), limit=5)
    with pytest.raises(ServiceError, match="413"):
        await read_body(SCOPE, messages({"type": "http.request", "body": b"abc"}), limit=2)
    for leaving in ([], pieces[:1]):
        with pytest.raises(ClientLeftError):
            await read_body(SCOPE, messages(*leaving, {"type": "http.disconnect"}), limit=6)
