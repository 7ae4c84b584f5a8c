"""A service under the chassis: bound, started, served, drained, stopped."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from hxp_schemas import ErrorInfo

from .._context import Context, Identity
from .._lifecycle import Lifecycle, StartError
from .._service import BaseService
from .._state import State
from ._auth import StackAuth
from ._connections import Connections
from ._limits import Limits
from ._metrics import ConnectionMetrics, RequestMetrics
from ._operations import Operations
from ._paths import Paths
from ._ports import bind
from ._probes import ProbeServer
from ._shell import Shell

if TYPE_CHECKING:
    from collections.abc import Callable

    from hxp_logging import Logger

    from .._service import Settings
    from .._state import Transition
    from ._asgi import ASGIApp
    from ._uvicorn import UvicornServer

PROBE_PORT_OFFSET = 1000
"""Operations answer on the service's port plus this, from a thread of their own."""
_CUT_GRACE = 2.0
"""Seconds for handlers to settle after their streams were cut; then uvicorn closes what is left."""


class ServiceHost:
    """One service on one port, from binding to exit; the same in a test, in a process of its own, or in another host.

    Args:
        service: The service, fresh.
        settings: Its validated settings.
        identity: Who it is in its stack.
        log: A logger bound to its name.
        on_transition: Called with every step of its life.
    """

    def __init__(
        self,
        service: BaseService[Any],
        settings: Settings,
        *,
        identity: Identity,
        log: Logger,
        on_transition: Callable[[Transition], None] | None = None,
    ) -> None:
        self.service = service
        self.context = Context(identity, log=log)
        self.lifecycle = Lifecycle(service, self.context, on_transition=on_transition)
        self._settings = settings
        self._uvicorn: UvicornServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._probes: ProbeServer | None = None
        self._shell: Shell | None = None
        self.port = identity.port

    @property
    def url(self) -> str:
        """Where the service answers."""
        return url_of(self.context.identity.host, self.port)

    @property
    def operations_url(self) -> str:
        """Where `/metrics`, `/info` and verbose health answer, from a thread of their own."""
        return url_of(self.context.identity.operations_host, self.probe_port)

    async def start(self) -> None:
        """Bind, answer probes, open the parts, warm up, serve.

        Raises:
            PortInUseError: If the port is taken.
            StartError: If the service fails on its way; everything opened is closed again.
        """
        from ._uvicorn import uvicorn_server  # noqa: PLC0415 - only a process that serves loads a server

        identity = self.context.identity
        self.lifecycle.configure(self._settings)
        listener = bind(identity.host, identity.port)
        self.port = int(listener.getsockname()[1])
        try:
            operations = Operations(
                self.context, distribution=_distribution_of(self.service), state=lambda: self.lifecycle.state
            )
            connections, few = self._registries()
            self._start_probes(operations, few)
            self._shell = self._build_shell(operations)
            self._uvicorn = uvicorn_server(self._shell, connections)
            self._serving = asyncio.create_task(self._uvicorn.serve(sockets=[listener]), name="uvicorn")
            await self.lifecycle.start()
        except BaseException:
            await self._close_servers()
            listener.close()
            raise

    def _registries(self) -> tuple[Connections, Connections]:
        """Make the registries of both ports' connections: the service's own, and operations."""
        log, limits = self.context.log, Limits.of(self.context.identity.http)
        metrics = ConnectionMetrics(self.context.metrics, open_connections=lambda: len(own))
        own = Connections(limits, log=log, count=metrics.refused)
        return own, Connections(limits.for_operations(), log=log, count=metrics.refused)

    def _start_probes(self, operations: Operations, connections: Connections) -> None:
        identity = self.context.identity
        port = identity.port + PROBE_PORT_OFFSET if identity.port else 0
        try:
            self._probes = ProbeServer(operations, connections, host=identity.operations_host, port=port)
        except OSError as error:
            raise StartError(f"{identity.name!r} cannot answer probes on port {port}: {error}") from error

    def _build_shell(self, operations: Operations) -> Shell:
        token = self.context.identity.token
        app = self.service.asgi(_app_of(self.service))
        if token and not self.service.is_front_door:
            app = StackAuth(app, token)
        shell = Shell(
            app,
            self.context,
            operations=operations,
            metrics=RequestMetrics(self.context.metrics, in_flight=lambda: len(shell.in_flight)),
            is_serving=lambda: self.lifecycle.state.is_serving or self.lifecycle.state is State.DRAINING,
        )
        return shell

    @property
    def probe_port(self) -> int:
        """Where the probe thread answers."""
        return self._probes.port if self._probes is not None else 0

    async def failed(self) -> str:
        """Wait until the service dies by itself; why."""
        assert self._serving is not None, "start() comes first"  # noqa: S101 - a programming error
        failure = asyncio.create_task(self.context.failure())
        try:
            done, _ = await asyncio.wait({failure, self._serving}, return_when=asyncio.FIRST_COMPLETED)
            if failure in done:
                task, error = failure.result()
                self.context.log.error("a background task died", task=task, error=repr(error))
                return f"the task {task!r} died: {error!r}"
            return "the server stopped by itself"
        finally:
            failure.cancel()

    async def stop(self, reason: str) -> int:
        """Drain and stop.

        Returns:
            The exit status: 0 after a clean stop, 1 after a failure.
        """
        service, log = self.service, self.context.log
        assert self._shell is not None, "start() comes first"  # noqa: S101 - a programming error
        in_flight = self._shell.in_flight
        self.lifecycle.begin_drain(reason)
        await asyncio.sleep(service.lame_duck)
        going = ErrorInfo(
            code="server_shutdown",
            message=f"{self.context.identity.name} is shutting down; try again",
            status=503,
            retryable=True,
            retry_after=1.0,
        )
        self._shell.refuse_new(going)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.context.remaining()):
                await asyncio.gather(self.lifecycle.drain(), in_flight.wait_empty())
        if cut := in_flight.cut_all(going):
            log.warning("requests cut at the end of the drain", count=cut)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(in_flight.wait_empty(), _CUT_GRACE)
        await self._close_uvicorn()
        try:
            await self.lifecycle.stop()
        except ExceptionGroup as group:
            log.error("the service did not stop cleanly", error=repr(group.exceptions))
            return 1
        finally:
            self._close_probes()
        return 0

    async def _close_servers(self) -> None:
        await self._close_uvicorn()
        self._close_probes()

    async def _close_uvicorn(self) -> None:
        if self._uvicorn is not None and self._serving is not None:
            self._uvicorn.should_exit = True
            await asyncio.gather(self._serving, return_exceptions=True)

    def _close_probes(self) -> None:
        if self._probes is not None:
            self._probes.close()
            self._probes = None


def url_of(host: str, port: int) -> str:
    """Return where a port that is bound on `host` is reached from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{reachable}:{port}"


def _distribution_of(service: BaseService[Any]) -> str:
    return type(service).__module__.partition(".")[0].replace("_", "-")


def _app_of(service: BaseService[Any]) -> ASGIApp:
    """The service's FastAPI app; FastAPI is loaded only for a service that has routes on it."""
    if type(service).routes is BaseService.routes:
        return Paths({})
    from ._app import build_app  # noqa: PLC0415 - see above

    return build_app(service)
