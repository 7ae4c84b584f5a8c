"""For the tests of services and stacks: a real host on a free port, a real `hxp up` in a folder.

Example:
    ```python
    async with hosted(MyService(), MySettings()) as running:
        async with running.client.get("/greeting") as response:
            assert response.status == 200
    ```
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import aiohttp
import hxp_logging

from ._context import Identity
from ._service import BaseService
from .chassis import ServiceHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

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

    @property
    def operations_url(self) -> str:
        """Where its `/metrics`, `/info` and verbose health answer."""
        return self.host.operations_url


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


@dataclass(frozen=True, slots=True)
class DetachedStack:
    """A stack that `hxp up --detach` started, spoken to as a person would: with the command.

    Attributes:
        folder: Where its `hxp.yaml` and `.hxp/` lie.
    """

    folder: Path

    def hxp(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `hxp` in the stack's folder.

        Raises:
            AssertionError: With what it printed, if it fails and `check` is set.
        """
        command = [sys.executable, "-m", "hxp_services_base.cli", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=240, check=False)  # noqa: S603 - our own command
        if check and done.returncode:
            raise AssertionError(
                f"hxp {' '.join(arguments)} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    @property
    def state(self) -> dict[str, Any]:
        """What `hxp ps --json` tells."""
        found: dict[str, Any] = json.loads(self.hxp("ps", "--json").stdout)
        return found

    def pid(self, service: str) -> int:
        """The process of a service."""
        return int(self.state["services"][service]["pid"])

    def url(self, service: str = "gateway") -> str:
        """Where a service answers."""
        return str(self.state["services"][service]["url"])

    @property
    def key(self) -> str:
        """The development key."""
        return (self.folder / ".hxp" / "dev-key").read_text().strip()


@contextmanager
def detached_stack(folder: Path) -> Iterator[DetachedStack]:
    """Run the stack of `folder` for the time of a block; nothing of it is left behind."""
    stack = DetachedStack(folder)
    stack.hxp("up", "--detach")
    try:
        yield stack
    finally:
        stack.hxp("down", check=False)
