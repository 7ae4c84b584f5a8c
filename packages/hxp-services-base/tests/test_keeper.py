"""A task that keeps something alive outlives every error."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hxp_services_base.engines._keeper import keep

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("log_works", [True, False])
async def test_an_error_is_logged_once_in_a_row_and_the_keeper_goes_on(
    monkeypatch: pytest.MonkeyPatch, *, log_works: bool
) -> None:
    monkeypatch.setattr("hxp_services_base.engines._keeper.PAUSE", 0)
    lines: list[str] = []
    errors: list[Exception | None] = [OSError("a"), OSError("a"), None, OSError("a"), ValueError("b")]
    done = asyncio.Event()

    def error(_event: str, **fields: Any) -> None:
        if not log_works:
            raise OSError("the disk is full")
        lines.append(f"{fields['keeper']}: {fields['error']}")

    async def step() -> None:
        if not errors:
            done.set()
            await asyncio.Event().wait()
        if (raised := errors.pop(0)) is not None:
            raise raised

    log: Any = SimpleNamespace(error=error)
    keeper = asyncio.create_task(keep(step, name="x", log=log))
    await asyncio.wait_for(done.wait(), 5)
    keeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeper
    expected = ["x: OSError('a')", "x: OSError('a')", "x: ValueError('b')"]
    assert lines == (expected if log_works else [])
