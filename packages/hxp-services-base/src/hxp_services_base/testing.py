"""For the tests of services: a real host on a free port, for the time of a block.

Example:
    ```python
    async with hosted(MyService(), MySettings()) as running:
        async with running.client.get("/greeting") as response:
            assert response.status == 200
    ```
"""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import aiohttp
import hxp_logging

from ._context import Identity
from ._service import BaseService
from .chassis import ServiceHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ._service import Settings

B = TypeVar("B", bound=BaseService[Any])


@dataclass(frozen=True, slots=True)
class Running(Generic[B]):
    """A running service.

    Attributes:
        service: The service itself.
        host: Its host.
        client: A client whose base URL is the service's; it shows the stack's token.
    """

    service: B
    host: ServiceHost
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where the service answers."""
        return self.host.url


@asynccontextmanager
async def hosted(
    service: B, settings: Settings | None = None, *, identity: Identity | None = None
) -> AsyncIterator[Running[B]]:
    """Run `service` under the chassis, on a free port of the loopback interface.

    Args:
        service: The service, fresh.
        settings: Its settings; the defaults of its type unless given.
        identity: Who it is; one with a state directory of its own unless given.
    """
    with tempfile.TemporaryDirectory(prefix="hxp-test-") as folder:
        known = identity or Identity("service", instance="service-0", state_dir=Path(folder))
        host = ServiceHost(
            service,
            settings if settings is not None else service.settings_type(),
            identity=known,
            log=hxp_logging.get_logger(f"hxp.{known.name}"),
        )
        await host.start()
        try:
            headers = {"Authorization": f"Bearer {known.token}"} if known.token else None
            async with aiohttp.ClientSession(host.url, headers=headers) as client:
                yield Running(service, host, client)
        finally:
            if host.lifecycle.state.is_serving:
                await host.stop("the test is over")
