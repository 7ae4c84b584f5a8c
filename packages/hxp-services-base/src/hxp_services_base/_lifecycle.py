"""One life of one service: the only writer of its state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hxp_schemas import HealthStatus

from ._health import Probe
from ._state import State, StateMachine, Transition

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._context import Context
    from ._service import BaseService, Settings


class StartError(RuntimeError):
    """A service could not start; the message says in which phase and why."""


class Lifecycle:
    """Takes a service from `new` to `stopped` and tells every step.

    Args:
        service: The service, not yet configured.
        context: Its surroundings.
        on_transition: Called with every step, for example to report to a supervisor.
    """

    def __init__(
        self,
        service: BaseService[Any],
        context: Context,
        *,
        on_transition: Callable[[Transition], None] | None = None,
    ) -> None:
        self._service = service
        self._context = context
        self._machine = StateMachine(now=context.clock())
        self._on_transition = on_transition

    @property
    def state(self) -> State:
        """The present state."""
        return self._machine.state

    @property
    def history(self) -> tuple[Transition, ...]:
        """Every step so far."""
        return self._machine.history

    def configure(self, settings: Settings) -> None:
        """`new → configured`.

        Raises:
            StartError: If the service refuses its settings.
        """
        try:
            self._service.configure(settings)
        except Exception as error:
            self._fail("configure", error)
            raise StartError(f"{self._context.identity.name!r} refused its configuration: {error}") from error
        self._to(State.CONFIGURED)

    async def start(self) -> None:
        """`configured → starting → ready`; when it fails, what was opened is closed.

        Raises:
            StartError: With the phase and the reason; the cause is kept.
        """
        service, context = self._service, self._context
        phase = "start"
        self._to(State.STARTING, "opening parts")
        context.set_deadline(service.start_timeout)
        context.spawn(context.health.keep_beating(), name="health-beat")
        try:
            async with asyncio.timeout(service.start_timeout):
                service.metrics(context)
                context.health.add(service.check_health())
                await service.start(context)
                phase = "warm-up"
                context.health.enter(State.STARTING, "warming up")
                await service.ready(context)
        except Exception as error:
            if isinstance(error, TimeoutError) and not str(error):
                error = TimeoutError(f"not done within {service.start_timeout:g} s")
            self._fail(phase, error)
            await self._close_quietly()
            raise StartError(f"{context.identity.name!r} failed in {phase}: {error}") from error
        context.set_deadline(None)
        context.spawn(context.health.keep_checking(), name="health")
        context.spawn(self._follow_health(), name="follow-health")
        await context.health.refresh(force=True)
        self._to(State.READY)

    def begin_drain(self, reason: str) -> None:
        """`→ draining`: readiness falls now, requests are still accepted for the lame-duck moment."""
        self._to(State.DRAINING, reason)
        self._context.set_deadline(self._service.lame_duck + self._service.drain_timeout)

    async def drain(self) -> None:
        """Let the service finish; a hook that raises or overruns is told and does not stop the stop."""
        try:
            async with asyncio.timeout(self._context.remaining()):
                await self._service.drain(self._context)
        except Exception as error:  # noqa: BLE001 - a failing drain must never keep the process alive
            self._context.log.error("drain failed", error=repr(error))

    async def stop(self) -> None:
        """`draining → stopped | failed`: `stop`, then the parts in reverse order.

        Raises:
            ExceptionGroup: If the hook or parts failed; everything got its chance first.
        """
        failures: list[Exception] = []
        self._context.set_deadline(self._service.stop_timeout)
        for step in (self._stop_hook, self._context.close):
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - collected and raised together below
                failures.append(error)
        self._context.set_deadline(None)
        if failures:
            group = ExceptionGroup(f"{self._context.identity.name!r} did not stop cleanly", failures)
            self._fail("stop", group)
            raise group
        self._to(State.STOPPED)

    async def _stop_hook(self) -> None:
        async with asyncio.timeout(self._service.stop_timeout):
            await self._service.stop(self._context)

    async def _close_quietly(self) -> None:
        try:
            await self._context.close()
        except ExceptionGroup as group:
            self._context.log.error("closing after a failed start", error=repr(group.exceptions))

    async def _follow_health(self) -> None:
        """`ready ⇄ degraded`, as the checks say; a look that fails is told once, and the next one may succeed."""
        told = ""
        while True:
            await asyncio.sleep(0.25)
            try:
                self._look_at_health()
            except Exception as error:  # noqa: BLE001 - the service itself is not to die of a look at its health
                if (problem := repr(error)) != told:
                    self._context.log.error("health cannot be followed", error=problem)
                    told = problem
            else:
                told = ""

    def _look_at_health(self) -> None:
        report = self._context.health.report(Probe.READY)
        healthy = report.status is HealthStatus.PASS
        if self.state is State.READY and not healthy:
            self._to(State.DEGRADED, report.reason or "a health check fails")
        elif self.state is State.DEGRADED and healthy:
            self._to(State.READY, "all health checks pass")

    def fail(self, reason: str) -> None:
        """`→ failed`, from whatever state is not final."""
        if not self.state.is_final:
            self._to(State.FAILED, reason)

    def _fail(self, phase: str, error: Exception) -> None:
        self.fail(f"{phase}: {error}")

    def _to(self, state: State, reason: str = "") -> None:
        step = self._machine.to(state, now=self._context.clock(), reason=reason)
        self._context.health.enter(state, reason if state in {State.STARTING, State.DRAINING} else "")
        write = self._context.log.warning if state in {State.DEGRADED, State.FAILED} else self._context.log.info
        write(
            "state changed",
            before=step.before.value,
            after=state.value,
            reason=reason,
            elapsed=round(step.elapsed, 3),
        )
        if self._on_transition is not None:
            try:
                self._on_transition(step)
            except Exception as error:  # noqa: BLE001 - whoever is told of a step must not undo it
                self._context.log.error("a change of state could not be passed on", error=repr(error))
