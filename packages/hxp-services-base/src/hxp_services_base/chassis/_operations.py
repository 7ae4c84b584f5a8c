"""Probes, for everybody, and what only operators may see: `/metrics`, `/info` and verbose health."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from hxp_schemas import HealthStatus
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .._health import Probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from hxp_schemas import HealthReport

    from .._context import Context
    from .._state import State

_PROBES = {
    "/livez": Probe.LIVE,
    "/readyz": Probe.READY,
    "/startupz": Probe.STARTUP,
    "/healthz": Probe.READY,
    "/health": Probe.READY,  # vLLM's name
    "/v2/health/live": Probe.LIVE,  # the Open Inference Protocol's names
    "/v2/health/ready": Probe.READY,
}


RESERVED = frozenset({*_PROBES, "/info", "/metrics"})
"""Paths that belong to the chassis on either port; a service cannot have them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response of an operations route."""

    status: int
    content_type: bytes
    body: bytes


class Operations:
    """Answers operations routes from state that any thread may read.

    Args:
        context: The service's surroundings.
        distribution: The distribution whose version `/info` tells.
        state: Reads the service's state.
    """

    def __init__(self, context: Context, *, distribution: str, state: Callable[[], State]) -> None:
        self._context = context
        self._distribution = distribution
        self._state = state

    def bare(self, path: str, query: str) -> Answer | None:
        """Return the answer on the service's own port, where strangers ask: a status, never a check or its reason.

        Args:
            path: The path as requested.
            query: The query string.

        Returns:
            The answer to a probe, or `None` for what only operators may see.
        """
        if path not in _PROBES or (path == "/healthz" and "verbose" in query):
            return None
        return self._answer(self._context.health.report(_PROBES[path], bare=True))

    def answer(self, path: str, query: str = "") -> Answer | None:
        """Return the answer on the operations port, or `None` where `path` is no operations route."""
        if path in _PROBES:
            verbose = path == "/healthz" and "verbose" in query
            return self._answer(self._context.health.report(_PROBES[path], verbose=verbose))
        if path == "/info":
            return Answer(200, b"application/json", orjson.dumps(self._info()))
        if path == "/metrics":
            return Answer(200, CONTENT_TYPE_LATEST.encode(), generate_latest(self._context.metrics))
        return None

    @staticmethod
    def _answer(report: HealthReport) -> Answer:
        status = 503 if report.status is HealthStatus.FAIL else 200
        return Answer(status, b"application/json", report.model_dump_json(exclude_none=True).encode())

    def _info(self) -> dict[str, str]:
        identity = self._context.identity
        try:
            version = importlib.metadata.version(self._distribution)
        except importlib.metadata.PackageNotFoundError:
            version = "unknown"
        return {
            "service": identity.name,
            "instance": identity.instance,
            "distribution": self._distribution,
            "version": version,
            "state": self._state().value,
            "profile": identity.profile,
        }
