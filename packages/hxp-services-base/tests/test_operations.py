"""Operations: on a port of their own, never on a public address unless told to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hxp_services_base import BaseService, Check, Identity, Settings
from hxp_services_base.testing import hosted

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio

PROBES = ("/livez", "/readyz", "/startupz", "/healthz", "/health", "/v2/health/live", "/v2/health/ready")


class Worried(BaseService[Settings]):
    """A service one of whose checks quotes an address."""

    lame_duck = 0.0
    is_front_door = True

    def check_health(self) -> Sequence[Check]:
        async def broken() -> str | None:
            return "10.1.2.3 refused the connection"

        return (Check("upstream", broken, critical=False),)


@pytest.mark.parametrize("path", ["/metrics", "/info", "/healthz?verbose", "/healthz?verbose=1"])
async def test_what_operators_see_is_not_on_the_services_own_port(identity: Identity, path: str) -> None:
    async with hosted(Worried(), identity=identity) as running:
        async with running.client.get(path) as response:
            assert response.status == 404
        async with running.client.get(f"{running.operations_url}{path}") as response:
            assert response.status == 200


async def test_strangers_learn_that_it_is_not_well_and_operators_why(identity: Identity) -> None:
    async with hosted(Worried(), identity=identity) as running:
        for path in PROBES:
            async with running.client.get(path) as response:
                assert response.status == 200
                assert "10.1.2.3" not in await response.text()
        async with running.client.get(f"{running.operations_url}/readyz") as response:
            assert "10.1.2.3 refused" in await response.text()


@pytest.mark.parametrize(
    ("host", "admin_host", "bound"),
    [
        ("127.0.0.1", None, "127.0.0.1"),
        ("::1", None, "::1"),
        ("0.0.0.0", None, "127.0.0.1"),
        ("10.1.2.3", None, "127.0.0.1"),
        ("0.0.0.0", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "0.0.0.0", "0.0.0.0"),
    ],
)
def test_operations_are_public_only_where_they_are_told_to(
    identity: Identity, host: str, admin_host: str | None, bound: str
) -> None:
    assert replace(identity, host=host, admin_host=admin_host).operations_host == bound


async def test_a_public_service_keeps_its_operations_on_loopback(identity: Identity) -> None:
    async with hosted(Worried(), identity=replace(identity, host="0.0.0.0")) as running:
        assert running.operations_url.startswith("http://127.0.0.1:")
        probes = running.host._probes
        assert probes is not None
        assert probes.host == "127.0.0.1"
