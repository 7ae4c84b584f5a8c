"""What the tests share."""

from __future__ import annotations

import pytest
from hxp_resilience.testing import ManualClock


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)
