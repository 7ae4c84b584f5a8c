"""Named health checks: time-limited, cached, grouped by probe, and readable from any thread."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from hxp_schemas import HealthCheckResult, HealthReport, HealthStatus

from ._state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable


class Probe(StrEnum):
    """Who asks: the question decides which checks may answer."""

    STARTUP = "startup"
    LIVE = "live"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Check:
    """One named contributor to health.

    Attributes:
        name: Unique within the service, for example `"engine"`.
        run: Returns `None` when all is well, else a sentence that says what is not.
        probes: Which probes it answers; a check on a dependency never answers `LIVE`.
        timeout: Seconds after which the check itself has failed.
        ttl: Seconds for which its last result is good, so that a storm of probes costs nothing.
        critical: A failing critical check makes the service not ready; another one makes it degraded.
    """

    name: str
    run: Callable[[], Awaitable[str | None]]
    probes: frozenset[Probe] = frozenset({Probe.READY})
    timeout: float = 2.0
    ttl: float = 1.0
    critical: bool = True


class HealthMonitor:
    """Runs checks in the background and keeps the newest result of each.

    The event loop writes, any thread may read: a report is built from immutable results. `beat()` is the loop's
    sign of life; when it stays away for `stall_after` seconds, the reader reports the stall by itself.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, stall_after: float = 5.0, interval: float = 0.5
    ) -> None:
        self._clock = clock
        self._stall_after = stall_after
        self._interval = interval
        self._checks: dict[str, Check] = {}
        self._results: dict[str, HealthCheckResult] = {}
        self._due: dict[str, float] = {}
        self._beat_at = clock()
        self._state = State.NEW
        self._phase = ""

    def add(self, checks: Iterable[Check]) -> None:
        """Add checks.

        Raises:
            ValueError: If a name is taken, or a check on `LIVE` is not the loop's own business.
        """
        for check in checks:
            if check.name in self._checks:
                raise ValueError(f"there is a health check named {check.name!r} already; names are unique in a service")
            self._checks[check.name] = check

    def enter(self, state: State, phase: str = "") -> None:
        """Tell the monitor the service's state and, while it starts or drains, what it is busy with."""
        self._state, self._phase = state, phase

    def beat(self) -> None:
        """Record that the event loop has just moved."""
        self._beat_at = self._clock()

    async def refresh(self, *, force: bool = False) -> None:
        """Run every check that is due, all at once, each within its own time limit."""
        now = self._clock()
        due = [check for check in self._checks.values() if force or self._due.get(check.name, now) <= now]
        results = await asyncio.gather(*(self._run(check) for check in due))
        for check, result in zip(due, results, strict=True):
            self._results[check.name] = result
            self._due[check.name] = self._clock() + check.ttl

    async def run(self) -> None:
        """Beat and refresh until cancelled; a slow check does not hold up the beat."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keep_beating(), name="health-beat")
            group.create_task(self.keep_checking(), name="health-checks")

    async def keep_beating(self) -> None:
        """Beat until cancelled; a service that starts beats, too, though it has nothing to check yet."""
        await self._repeat(self._beat_once)

    async def keep_checking(self) -> None:
        """Refresh until cancelled."""
        await self._repeat(self.refresh)

    async def _beat_once(self) -> None:
        self.beat()

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await step()
            await asyncio.sleep(self._interval)

    async def _run(self, check: Check) -> HealthCheckResult:
        started = self._clock()
        try:
            async with asyncio.timeout(check.timeout):
                problem = await check.run()
        except TimeoutError:
            problem = f"no answer within {check.timeout:g} s"
        except Exception as error:  # noqa: BLE001 - a check that raises has failed; it must not take the monitor along
            problem = f"{type(error).__name__}: {error}"
        if problem is not None:  # a file name, for one, may hold what is no text
            problem = str(problem).encode(errors="replace").decode()
        failing = HealthStatus.FAIL if check.critical else HealthStatus.WARN
        return HealthCheckResult(
            name=check.name,
            status=HealthStatus.PASS if problem is None else failing,
            detail=problem,
            critical=check.critical,
            checked_at=datetime.now(UTC),
            duration=self._clock() - started,
        )

    @property
    def failing(self) -> tuple[HealthCheckResult, ...]:
        """The newest results that are not a pass."""
        return tuple(result for result in self._results.values() if result.status is not HealthStatus.PASS)

    def report(self, probe: Probe, *, verbose: bool = False, bare: bool = False) -> HealthReport:
        """What to answer to `probe` now; safe to call from any thread.

        Args:
            probe: Who asks.
            verbose: Whether to list checks that pass, too.
            bare: Whether to name no check and no reason of one: they may quote addresses and errors of others.
        """
        results = [
            result
            for name, result in list(self._results.items())
            if probe in self._checks[name].probes and (verbose or result.status is not HealthStatus.PASS)
        ]
        status, reason = self._judge(probe, results)
        if bare:
            reason, results = (None if self._state.is_serving else reason), []
        return HealthReport(status=status, phase=self._phase or self._state.value, reason=reason, checks=results)

    def _judge(self, probe: Probe, results: list[HealthCheckResult]) -> tuple[HealthStatus, str | None]:
        silent_for = self._clock() - self._beat_at
        if silent_for > self._stall_after:
            return HealthStatus.FAIL, f"the event loop has not moved for {silent_for:.1f} s"
        if probe is Probe.LIVE:
            failed = self._state is State.FAILED
            return (HealthStatus.FAIL, "the service has failed") if failed else (HealthStatus.PASS, None)
        if probe is Probe.STARTUP:
            started = self._state not in {State.NEW, State.CONFIGURED, State.STARTING, State.FAILED}
            return (HealthStatus.PASS, None) if started else (HealthStatus.FAIL, f"the service is {self._state.value}")
        if not self._state.is_serving:
            return HealthStatus.FAIL, f"the service is {self._state.value}"
        for wanted in (HealthStatus.FAIL, HealthStatus.WARN):
            for result in results:
                if result.status is wanted:
                    return wanted, f"{result.name}: {result.detail}"
        return HealthStatus.PASS, None
