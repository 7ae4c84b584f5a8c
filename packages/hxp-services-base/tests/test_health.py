"""Health: what probes are told, when, and by whom."""

from __future__ import annotations

import asyncio

import pytest
from hxp_schemas import HealthStatus
from hxp_services_base import Check, HealthMonitor, Probe, State
from hxp_testing.clock import ManualClock

pytestmark = pytest.mark.anyio


async def fine() -> str | None:
    return None


async def broken() -> str | None:
    return "the disk is full"


async def raising() -> str | None:
    raise OSError("no such device")


async def silent() -> str | None:
    await asyncio.Event().wait()
    return None


def ready_monitor(*checks: Check, clock: ManualClock | None = None) -> HealthMonitor:
    monitor = HealthMonitor(clock=clock or ManualClock())
    monitor.add(checks)
    monitor.enter(State.READY)
    return monitor


async def test_a_ready_service_whose_checks_pass_is_ready() -> None:
    monitor = ready_monitor(Check("disk", fine))
    await monitor.refresh()
    assert monitor.report(Probe.READY).status is HealthStatus.PASS
    assert [check.name for check in monitor.report(Probe.READY, verbose=True).checks] == ["disk"]
    assert monitor.failing == ()


async def test_a_failing_critical_check_makes_it_not_ready_and_names_itself() -> None:
    monitor = ready_monitor(Check("disk", broken))
    await monitor.refresh()
    report = monitor.report(Probe.READY)
    assert (report.status, report.reason) == (HealthStatus.FAIL, "disk: the disk is full")


async def test_a_failing_check_that_is_not_critical_only_warns() -> None:
    monitor = ready_monitor(Check("upstream", broken, critical=False))
    await monitor.refresh()
    assert monitor.report(Probe.READY).status is HealthStatus.WARN


async def test_a_check_that_raises_has_failed_and_harms_no_other() -> None:
    monitor = ready_monitor(Check("a", raising), Check("b", fine))
    await monitor.refresh()
    assert monitor.report(Probe.READY).reason == "a: OSError: no such device"


async def test_a_check_that_never_answers_has_failed_when_its_time_is_up() -> None:
    monitor = ready_monitor(Check("slow", silent, timeout=0.01))
    await monitor.refresh()
    assert monitor.report(Probe.READY).reason == "slow: no answer within 0.01 s"


async def test_results_are_cached_for_their_time_so_that_a_probe_storm_costs_nothing() -> None:
    runs: list[int] = []

    async def counted() -> str | None:
        runs.append(1)
        return None

    clock = ManualClock()
    monitor = ready_monitor(Check("counted", counted, ttl=10.0), clock=clock)
    for _ in range(5):
        await monitor.refresh()
    assert len(runs) == 1
    clock.advance(11.0)
    await monitor.refresh()
    assert len(runs) == 2
    await monitor.refresh(force=True)
    assert len(runs) == 3


async def test_live_never_looks_at_dependencies() -> None:
    monitor = ready_monitor(Check("database", broken))
    await monitor.refresh()
    assert monitor.report(Probe.LIVE).status is HealthStatus.PASS
    monitor.enter(State.FAILED)
    assert monitor.report(Probe.LIVE).status is HealthStatus.FAIL


async def test_startup_passes_once_the_service_has_started_and_names_the_phase_before() -> None:
    monitor = HealthMonitor(clock=ManualClock())
    monitor.enter(State.STARTING, "loading the model")
    report = monitor.report(Probe.STARTUP)
    assert (report.status, report.phase) == (HealthStatus.FAIL, "loading the model")
    assert monitor.report(Probe.READY).reason == "the service is starting"
    monitor.enter(State.DRAINING)
    assert monitor.report(Probe.STARTUP).status is HealthStatus.PASS
    assert monitor.report(Probe.READY).status is HealthStatus.FAIL


async def test_an_event_loop_that_stands_still_is_told_by_the_reader_alone() -> None:
    clock = ManualClock()
    monitor = ready_monitor(clock=clock)
    monitor.beat()
    clock.advance(6.0)
    for probe in Probe:
        report = monitor.report(probe)
        assert (report.status, report.reason) == (HealthStatus.FAIL, "the event loop has not moved for 6.0 s")


async def test_the_monitor_beats_although_a_check_is_slow() -> None:
    monitor = HealthMonitor(interval=0.001)
    monitor.add([Check("slow", silent, timeout=5.0)])
    beats = 0
    seen = asyncio.Event()
    original = monitor.beat

    def counted() -> None:
        nonlocal beats
        original()
        beats += 1
        if beats == 3:
            seen.set()

    monitor.beat = counted  # type: ignore[method-assign]  # counts what it passes on
    running = asyncio.create_task(monitor.run())
    await asyncio.wait_for(seen.wait(), 2.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_two_checks_of_one_name_are_refused() -> None:
    monitor = ready_monitor(Check("disk", fine))
    with pytest.raises(ValueError, match="named 'disk' already"):
        monitor.add([Check("disk", fine)])
