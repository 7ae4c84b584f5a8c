"""What can run a service: the same verbs in this process, in child processes, or on a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hxp_schemas import LoggingConfig

    from .._state import State
    from ._stack import Node


class LaunchError(RuntimeError):
    """A service did not become ready; the message says why, in its own words where it left some."""


class StartHungError(LaunchError):
    """A service showed no progress while it started, and was ended."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a service last said of itself.

    Attributes:
        state: Its state.
        reason: Why it is in that state; empty where the name says it all.
    """

    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a runner needs beside the node itself.

    Attributes:
        refs: Base URL of each service that the node needs.
        token: What services of this stack show each other.
        state_dir: Where the stack keeps its state.
        profile: The stack's profile.
        logging: Level and format for the service's log.
        on_status: Called with each thing that the service says of itself.
        tell: Called with a sentence for the operator when something is amiss that stops nothing.
        on_process: Called with the service's process as soon as there is one, long before it is ready.
    """

    refs: Mapping[str, str]
    token: str = field(repr=False)
    state_dir: Path
    profile: str
    logging: LoggingConfig
    on_status: Callable[[Status], None]
    tell: Callable[[str], None] = lambda _sentence: None
    on_process: Callable[[int], None] = lambda _pid: None


class Handle(Protocol):
    """One running service."""

    @property
    def url(self) -> str:
        """Where it answers."""

    @property
    def pid(self) -> int | None:
        """Its process, where it has one of its own."""

    @property
    def probe_url(self) -> str:
        """Where its probes answer; empty where nobody can tell from outside whether it makes progress."""

    async def ended(self) -> str:
        """Wait until it is gone, for whatever reason; how it ended, in words."""

    async def stop(self, *, seconds: float) -> int:
        """Drain and stop it; after `seconds` it is killed.

        Returns:
            Its exit status; 0 after a clean stop.
        """

    async def end(self, *, seconds: float) -> None:
        """End it although it is hung: woken if it was stopped, drained as far as it goes, killed after `seconds`."""

    def tidy(self) -> None:
        """Bound what it has written past its log."""


class Runner(Protocol):
    """Starts services."""

    async def launch(self, node: Node, launch: Launch) -> Handle:
        """Start `node`; returns when it is ready.

        Raises:
            LaunchError: If it does not become ready.
        """
