"""Services in this very process: for tests, and for programs that embed a stack."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import hxp_logging

from .._context import Identity
from .._lifecycle import StartError
from ..chassis import PortInUseError, ServiceHost
from ._runner import LaunchError, Status

if TYPE_CHECKING:
    from ._runner import Launch
    from ._stack import Node


class _Handle:
    def __init__(self, host: ServiceHost) -> None:
        self._host = host
        self._stopped = asyncio.Event()
        self.pid: int | None = None
        self.probe_url = ""  # whoever would ask hangs together with it, since it lives in the same event loop

    @property
    def url(self) -> str:
        return self._host.url

    async def ended(self) -> str:
        failed = asyncio.create_task(self._host.failed())
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            done, _ = await asyncio.wait({failed, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return "stopped" if stopped in done else failed.result()
        finally:
            failed.cancel()
            stopped.cancel()

    async def stop(self, *, seconds: float) -> int:
        try:
            async with asyncio.timeout(seconds):
                return await self._host.stop("the stack is stopping")
        finally:
            self._stopped.set()

    async def end(self, *, seconds: float) -> None:
        await self.stop(seconds=seconds)

    def tidy(self) -> None:
        """It writes where its program writes."""


class InProcess:
    """Runs each service in the caller's event loop, on a real socket."""

    async def launch(self, node: Node, launch: Launch) -> _Handle:
        """Start `node`; returns when it is ready.

        Raises:
            LaunchError: If it does not become ready.
        """
        identity = Identity(
            name=node.name,
            instance=f"{node.name}-0",
            host=node.host,
            port=node.port,
            state_dir=launch.state_dir,
            refs=launch.refs,
            token=launch.token,
            profile=launch.profile,
            admin_host=node.admin_host,
            http=node.http,
        )
        log = hxp_logging.get_logger(f"hxp.{node.name}").bind(service=node.name)
        host = ServiceHost(
            node.make(),
            node.settings,
            identity=identity,
            log=log,
            on_transition=lambda step: launch.on_status(Status(step.after, step.reason)),
        )
        try:
            await host.start()
        except (StartError, PortInUseError) as error:
            raise LaunchError(str(error)) from error
        return _Handle(host)
