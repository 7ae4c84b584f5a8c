# /// script
# requires-python = ">=3.11"
# dependencies = ["hxp-resilience", "matplotlib==3.11.2"]
#
# [tool.uv.sources]
# hxp-resilience = { path = "..", editable = true }
# ///
"""An upstream that slows, fails and recovers, under load that does not wait: with and without each policy.

Runs in virtual time on an event loop whose clock jumps from timer to timer: the same seed gives the same picture, and
three minutes take seconds. `uv run --python 3.11 simulate.py` writes the plot and prints the table.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hxp_resilience import (
    AdaptiveLimit,
    AdaptiveLimitOptions,
    Bulkhead,
    CircuitBreaker,
    CircuitBreakerOptions,
    Fallback,
    Hedge,
    HedgeOptions,
    Pipeline,
    Retry,
    RetryBudget,
    RetryBudgetOptions,
    RetryOptions,
    Timeout,
    TotalTimeout,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "resilience-simulation.png"
RATE = 40.0  # calls a second, whether the upstream answers or not
PLACES = 20  # calls that the upstream works on at once; the others queue
WORK = 0.2  # seconds of work for a call, on average
PATIENCE = 10.0  # seconds after which the caller has gone
GOOD = 2.0  # seconds within which an answer is worth having
PHASES = (("well", 0.0), ("slow", 30.0), ("well", 60.0), ("down", 80.0), ("well", 110.0))
END = 150.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which nobody waits: when nothing is ready, the clock jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]  # private, and stable since 3.4
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]  # as above
        super()._run_once()  # type: ignore[misc]  # as above


def phase(now: float) -> str:
    """Return how the upstream is at this moment."""
    return [name for name, since in PHASES if now >= since][-1]


class Upstream:
    """Works on so many calls at once; slow for a while, then failing for a while."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 (a simulation that can be repeated)
        self.places = asyncio.Semaphore(PLACES)
        self.asked: list[float] = []
        self.working: set[asyncio.Task[None]] = set()

    async def __call__(self) -> None:
        """Answer, late or never; the work goes on when nobody waits for it any more, as it does in most servers."""
        loop = asyncio.get_running_loop()
        self.asked.append(loop.time())
        task = loop.create_task(self.work())
        self.working.add(task)
        task.add_done_callback(self.finished)
        await asyncio.shield(task)

    def finished(self, task: asyncio.Task[None]) -> None:
        """Forget a task, and its error if nobody heard of it."""
        self.working.discard(task)
        if not task.cancelled():
            task.exception()

    async def work(self) -> None:
        """Wait for a place, and work."""
        loop = asyncio.get_running_loop()
        async with self.places:
            state = phase(loop.time())
            seconds = self.random.expovariate(1 / WORK)
            if self.random.random() < 0.02:
                seconds += 1.5  # a hiccup: what hedges are for
            await asyncio.sleep(seconds * (6.0 if state == "slow" else 1.0))
            if phase(loop.time()) == "down":
                raise ConnectionError


@dataclass
class Run:
    """What one run saw: for each call when it came, how long it took, and how it ended."""

    calls: list[tuple[float, float, bool]] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    instead: int = 0

    def goodput(self, since: float, until: float) -> float:
        """Return the share of the calls of a time that were answered soon enough."""
        within = [call for call in self.calls if since <= call[0] < until]
        return sum(ok and seconds <= GOOD for _, seconds, ok in within) / max(1, len(within))

    def latency(self, share: float, since: float, until: float) -> float:
        """Return the seconds in which this share of the calls of a time had ended, answered or refused."""
        within = sorted(seconds for begun, seconds, _ in self.calls if since <= begun < until)
        return within[int(share * (len(within) - 1))]

    def traffic(self, since: float, until: float) -> float:
        """Return the calls that the upstream saw for each one asked for."""
        return sum(since <= at < until for at in self.asked) / (RATE * (until - since))


def policies(loop: asyncio.AbstractEventLoop, seed: int) -> dict[str, Callable[[], list[Any]]]:
    """Return what is compared."""
    clock, chance = loop.time, random.Random(seed).random  # noqa: S311 (as above)
    breaker_options = CircuitBreakerOptions(
        sliding_window_size=50,
        minimum_number_of_calls=20,
        slow_call_duration_threshold=GOOD,
        slow_call_rate_threshold=0.5,
        permitted_calls_in_half_open=5,
    )

    def retry(budget: RetryBudget | None = None) -> Retry:
        # Errors of every kind are tried again, timeouts too: what many programs do.
        return Retry(RetryOptions(4, retry_on=Exception), budget=budget, clock=clock, random=chance)

    def budget() -> RetryBudget:
        return RetryBudget(RetryBudgetOptions(share=0.1, floor=0.5), clock=clock)

    def breaker() -> CircuitBreaker:
        return CircuitBreaker("upstream", breaker_options, clock=clock)

    def adaptive() -> AdaptiveLimit:
        return AdaptiveLimit(AdaptiveLimitOptions(initial=PLACES, largest=60, queue_timeout=0.5), clock=clock)

    return {
        "nothing": list,
        "timeout": lambda: [Timeout(GOOD, clock=clock)],
        "retry, no budget": lambda: [retry(), Timeout(GOOD)],
        "retry with budget": lambda: [retry(budget()), Timeout(GOOD)],
        "circuit breaker": lambda: [breaker(), Timeout(GOOD)],
        "bulkhead": lambda: [Bulkhead(PLACES, 10, queue_timeout=0.5, clock=clock), Timeout(GOOD)],
        "adaptive limit": lambda: [adaptive(), Timeout(GOOD)],
        "hedge with budget": lambda: [
            Hedge(HedgeOptions(0.8, percentile=0.95), budget=budget(), clock=clock),
            Timeout(GOOD),
        ],
        "all together": lambda: [retry(budget()), breaker(), adaptive(), Timeout(GOOD)],
        "all, and a fallback": lambda: [
            Fallback(value="instead"),
            retry(budget()),
            breaker(),
            adaptive(),
            Timeout(GOOD),
        ],
    }


def simulate(name: str, seed: int) -> Run:
    """Run one set of policies through the whole story."""
    loop, run = VirtualLoop(), Run()
    arrivals = random.Random(seed)  # noqa: S311 (as above)

    async def one(pipeline: Pipeline, upstream: Upstream) -> None:
        started = loop.time()
        try:
            answer = await pipeline.call(upstream)
        except Exception:  # noqa: BLE001 (a failure is an outcome)
            run.calls.append((started, loop.time() - started, False))
        else:
            run.instead += answer == "instead"
            run.calls.append((started, loop.time() - started, True))

    async def story() -> None:
        upstream = Upstream(seed)
        # The caller goes away after a while, whatever else is in the pipeline.
        pipeline = Pipeline(TotalTimeout(PATIENCE), *policies(loop, seed)[name]())
        async with asyncio.TaskGroup() as calls:
            while loop.time() < END:
                calls.create_task(one(pipeline, upstream))
                await asyncio.sleep(arrivals.expovariate(RATE))
        run.asked = upstream.asked

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(story())
    return run


SHADES = {"slow": "#f6d9a8", "down": "#f2b5b5"}


def draw(runs: dict[str, Run], path: Path) -> None:
    """Draw goodput, latency and traffic for each set of policies."""
    import matplotlib as mpl  # noqa: PLC0415 (only who draws needs it)

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 (as above)

    figure, axes = plt.subplots(len(runs), 3, figsize=(12, 1.25 * len(runs) + 1.2), sharex=True, squeeze=False)
    steps = [float(second) for second in range(0, int(END), 2)]
    columns: tuple[tuple[str, Callable[[Run, float], float], float, str], ...] = (
        ("goodput: answered within 2 s (%)", lambda run, at: 100 * run.goodput(at, at + 2), 105, "#1b7837"),
        ("latency, 95th percentile (s)", lambda run, at: run.latency(0.95, at, at + 2), PATIENCE + 0.5, "#2166ac"),
        ("upstream calls per call asked for", lambda run, at: run.traffic(at, at + 2), 4.9, "#b2182b"),
    )
    for number, (row, (name, run)) in enumerate(zip(axes, runs.items(), strict=True)):
        for axis, (title, value, top, colour) in zip(row, columns, strict=True):
            for (state, since), until in zip(PHASES, [at for _, at in PHASES[1:]] + [END], strict=True):
                if state in SHADES:
                    axis.axvspan(since, until, color=SHADES[state], alpha=0.6, lw=0)
            axis.plot([at + 1 for at in steps], [value(run, at) for at in steps], color=colour, lw=1.4)
            axis.set_xlim(0, END)
            axis.set_ylim(0, top)
            axis.tick_params(labelsize=8)
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(axis="y", alpha=0.3)
            if number == 0:
                axis.set_title(title, fontsize=10, pad=16)
            if number == len(runs) - 1:
                axis.set_xlabel("time (s)", fontsize=9)
        row[0].set_ylabel(
            name.replace(", ", ",\n").replace(" with", "\nwith"), rotation=0, ha="right", va="center", fontsize=9
        )
        row[2].axhline(1.0, color="#777777", lw=0.7, ls=":")
    for axis in axes[0]:
        for label, at in (("slow", 45.0), ("down", 95.0)):
            axis.text(at, 1.02, label, transform=axis.get_xaxis_transform(), ha="center", va="bottom", fontsize=8)
    figure.suptitle(
        f"{RATE:g} calls/s, open loop, into an upstream with {PLACES} places: six times slower, then failing",
        fontsize=11,
    )
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Simulate, print the table, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--plot", type=Path, default=PICTURE, help="where the picture goes")
    options = parser.parse_args()
    runs = {}
    heads = ("policies", "goodput", "while slow", "just after", "while down", "just after", "p95 while slow (s)")
    print("|", " | ".join((*heads, "traffic while down")), "|")
    print("|---|---|---|---|---|---|---|---|")
    for name in policies(asyncio.new_event_loop(), 0):
        run = runs[name] = simulate(name, options.seed)
        shares = [run.goodput(*span) for span in ((0, END), (30, 60), (60, 72), (80, 110), (110, 122))]
        print(
            f"| {name} | {' | '.join(f'{share:.0%}' for share in shares)} | {run.latency(0.95, 30, 60):.1f}"
            f" | {run.traffic(80, 110):.2f} x |"
        )
    draw(runs, options.plot)


if __name__ == "__main__":
    main()
