"""A stack is data: services, what each waits for, how often it may be started again, and when it counts as hung."""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hxp_schemas import HttpConfig, LoggingConfig
from hxp_schemas.deployment import RestartBudget, Watch

from .._context import operations_host
from ..chassis import PROBE_PORT_OFFSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._service import BaseService, Settings


class StackError(ValueError):
    """A stack that cannot work; the message says why and what to change."""


@dataclass(frozen=True, slots=True)
class Node:
    """One service of a stack.

    Attributes:
        name: Unique in the stack.
        use: The entry point of the group `hxp.services` that makes it, for runners in other processes.
        make: Makes the service, for the runner in this process; its class, whose time limits are then checked.
        settings: Its validated settings.
        host: The address it binds.
        port: The port it binds; 0 takes a free one (in-process only).
        needs: The services that must be ready before it starts.
        restart: Its restart budget.
        watch: When it counts as hung; looked at by runners whose services have processes of their own.
        start_timeout: Seconds to become ready in.
        stop_timeout: Seconds from the request to stop until it is killed.
        debug: Whether it logs at DEBUG, whatever the others do.
        admin_host: The address that its operations bind; loopback unless given.
        http: Limits of its connections.
        environment: Variables that its process is given beside those that any program needs.
    """

    name: str
    use: str
    make: Callable[[], BaseService[Any]]
    settings: Settings
    host: str = "127.0.0.1"
    port: int = 0
    needs: tuple[str, ...] = ()
    restart: RestartBudget = field(default_factory=RestartBudget)
    watch: Watch = field(default_factory=Watch)
    start_timeout: float = 180.0
    stop_timeout: float = 40.0
    debug: bool = False
    admin_host: str | None = None
    http: HttpConfig = field(default_factory=HttpConfig)
    environment: tuple[str, ...] = ()

    @property
    def operations_host(self) -> str:
        """The address that its operations bind, on its port + 1000."""
        return operations_host(self.host, self.admin_host)


@dataclass(frozen=True)
class Stack:
    """Services that belong together.

    Attributes:
        name: Its name.
        nodes: Its services.
        state_dir: Where it keeps its state.
        profile: `"development"`, `"production"`, …
        logging: Level and format for every service's log.

    Raises:
        StackError: If names, needs, ports or time limits contradict each other.
    """

    name: str
    nodes: tuple[Node, ...]
    state_dir: Path = Path(".hxp")
    profile: str = "development"
    logging: LoggingConfig = field(default_factory=LoggingConfig)

    def __post_init__(self) -> None:
        names = [node.name for node in self.nodes]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise StackError(f"services share the name {sorted(doubled)}; names are unique in a stack")
        for node in self.nodes:
            if unknown := sorted(set(node.needs) - set(names)):
                raise StackError(f"{node.name!r} needs {unknown}, and the stack has {sorted(names)}")
        self._check_ports()
        self._check_times()
        self.plan()

    def node(self, name: str) -> Node:
        """The service called `name`."""
        return next(node for node in self.nodes if node.name == name)

    def logging_of(self, node: Node) -> LoggingConfig:
        """How one of its services logs."""
        return self.logging.model_copy(update={"level": "DEBUG"}) if node.debug else self.logging

    def plan(self) -> tuple[tuple[str, ...], ...]:
        """The layers in which services start; those of one layer start together, and stop in reverse order.

        Raises:
            StackError: If services wait for each other in a circle.
        """
        sorter = TopologicalSorter({node.name: set(node.needs) for node in self.nodes})
        try:
            sorter.prepare()
        except CycleError as error:
            raise StackError(f"services wait for each other: {' → '.join(error.args[1])}") from error
        layers: list[tuple[str, ...]] = []
        while sorter.is_active():
            layer = tuple(sorted(sorter.get_ready()))
            sorter.done(*layer)
            layers.append(layer)
        return tuple(layers)

    def _check_ports(self) -> None:
        taken: dict[int, str] = {}
        for node in self.nodes:
            for port in (node.port, node.port + PROBE_PORT_OFFSET) if node.port else ():
                if port in taken:
                    raise StackError(
                        f"{node.name!r} and {taken[port]!r} both want port {port} (probes answer on port + "
                        f"{PROBE_PORT_OFFSET}); give one another port"
                    )
                taken[port] = node.name

    def _check_times(self) -> None:
        """`grace ≥ lame_duck + drain + stop`, else a service is killed in the middle of its own drain."""
        for node in self.nodes:
            service = node.make
            needed = sum(float(getattr(service, name, 0.0)) for name in ("lame_duck", "drain_timeout", "stop_timeout"))
            if node.stop_timeout < needed:
                raise StackError(
                    f"{node.name!r} would be killed after {node.stop_timeout:g} s, while its drain and stop may take "
                    f"{needed:g} s; raise its stop_timeout"
                )
