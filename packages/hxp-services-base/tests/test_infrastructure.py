"""Services around resources: opened, migrated, pinged, closed in reverse."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hxp_services_base import BaseInfrastructureService, Check, Context, Settings, StartError
from hxp_services_base.testing import hosted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from hxp_services_base import Resource

pytestmark = pytest.mark.anyio


class Shelf:
    """A resource that notes what is done with it."""

    def __init__(self, name: str, notes: list[str], *, answers: bool = True) -> None:
        self.name = name
        self._notes = notes
        self._answers = answers

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[Shelf]:
        del context
        self._notes.append(f"open {self.name}")
        yield self
        self._notes.append(f"close {self.name}")

    def checks(self) -> Sequence[Check]:
        return ()

    async def migrate(self) -> None:
        self._notes.append(f"migrate {self.name}")

    async def ping(self) -> None:
        if not self._answers:
            raise ConnectionError(f"{self.name} is gone")
        self._notes.append(f"ping {self.name}")


class Store(BaseInfrastructureService[Settings]):
    lame_duck = 0.0

    def __init__(self, *shelves: Shelf) -> None:
        self.shelves = shelves

    def resources(self) -> Sequence[Resource]:
        return self.shelves


async def test_each_resource_is_opened_and_migrated_in_order_and_closed_in_reverse() -> None:
    notes: list[str] = []
    async with hosted(Store(Shelf("a", notes), Shelf("b", notes))):
        assert notes == ["open a", "migrate a", "open b", "migrate b", "ping a", "ping b"]
    assert notes[-2:] == ["close b", "close a"]


async def test_a_resource_that_does_not_answer_fails_the_start_and_all_are_closed() -> None:
    notes: list[str] = []
    with pytest.raises(StartError, match="b is gone"):
        async with hosted(Store(Shelf("a", notes), Shelf("b", notes, answers=False))):
            pass
    assert notes[-2:] == ["close b", "close a"]
