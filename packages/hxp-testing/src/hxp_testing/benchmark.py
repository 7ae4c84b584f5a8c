"""Comparing calls with their peers, as ratios taken in one run.

A time alone says more about the machine and its neighbours than about the code. So the rows of a table are measured in
turn, round after round, in CPU time, and each is divided by the table's reference *of the same round*; the median of
those ratios is what counts. A benchmark is a script:

    from hxp_testing.benchmark import Suite, Table

    suite = Suite("joining words")


    @suite.table("ten words", reference="+=", baseline="nothing")
    def ten_words(table: Table) -> None:
        words = ["word"] * 10
        table.call("nothing", lambda: None)     # subtracted from the others
        table.call("join", lambda: " ".join(words))
        table.call("+=", lambda: concatenate(words))
        table.target("join", at_most=0.5)       # of the reference


    if __name__ == "__main__":
        raise SystemExit(suite.main())

which has `--help`, `--only`, `--quick`, `--json`, `--markdown` and `--check`.
"""

import argparse
import asyncio
import json
import platform
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, TextIO, TypeVar

from ._comparison import Result, Row, Target
from ._measure import AsyncCall, Spread, SyncCall, process_seconds, seconds_per_call

__all__ = ["Result", "Row", "Suite", "Table", "Target", "process_seconds"]

_T = TypeVar("_T")
SCALES = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}


@dataclass
class Table:
    """Collects the rows of one comparison; made by `Suite.table`.

    Attributes:
        title: What is compared.
        reference: The row that all ratios are to.
        baseline: The row that is subtracted from the others: the bare call, the idle interpreter.
        unit: `"s"`, `"ms"`, `"µs"`, `"ns"`; or what the functions given to `figure` return.
    """

    title: str
    reference: str
    baseline: str | None
    unit: str
    clock: Callable[[], float]
    aim: float
    _measures: dict[str, Callable[[], float]] = field(default_factory=dict)
    _targets: list[tuple[str, float, str | None]] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _runner: asyncio.Runner | None = None

    def call(self, name: str, function: SyncCall | AsyncCall) -> None:
        """Add a call, repeated often enough to be measured.

        Args:
            name: The candidate.
            function: Takes no argument; a coroutine function is awaited on the table's event loop.
        """
        self._add(name, seconds_per_call(function, self._loop(), self.clock, self.aim), SCALES[self.unit])

    def process(self, name: str, code: str) -> None:
        """Add a program that runs in a fresh interpreter of this environment, once in each round.

        Args:
            name: The candidate.
            code: What `python -c` runs.
        """
        process_seconds(code)  # bytecode is written before anything counts
        self._add(name, lambda: process_seconds(code), SCALES[self.unit])

    def figure(self, name: str, measure: Callable[[], float]) -> None:
        """Add a figure that the caller measures.

        Args:
            name: The candidate.
            measure: Called once in each round; returns the figure in the table's unit, bytes say.
        """
        self._add(name, measure, 1.0)

    def target(self, name: str, *, at_most: float, of: str | None = "") -> None:
        """Declare what a row should cost at most.

        Args:
            name: The row.
            at_most: The limit.
            of: The row that it is a multiple of, the reference by default; None for a limit in the table's unit.
        """
        self._targets.append((name, at_most, self.reference if of == "" else of))

    def enter(self, context: AbstractContextManager[_T]) -> _T:
        """Enter a context that is left when the table is measured."""
        return self._stack.enter_context(context)

    def run(self, function: Callable[[], Any]) -> Any:
        """Run a coroutine function once on the table's event loop, to prepare what belongs to that loop."""

        async def prepare() -> Any:
            return await function()

        return self._loop().run(prepare())

    def measure(self, rounds: int, order: random.Random) -> Result:
        """Measure all rows in turn, and close what was entered.

        Args:
            rounds: How often each row is measured.
            order: Shuffles the rows in each round, so that none always follows the same neighbour.

        Returns:
            The table.

        Raises:
            ValueError: The reference, the baseline or a target names no row.
        """
        with self._stack:
            named = {self.reference, *(name for target in self._targets for name in (target[0], target[2]) if name)}
            for name in sorted(named | ({self.baseline} if self.baseline else set())):
                if name not in self._measures:
                    raise ValueError(f"table {self.title!r} has no row {name!r}; it has {', '.join(self._measures)}")
            values: dict[str, list[float]] = {name: [] for name in self._measures}
            for _ in range(rounds):
                for name in order.sample(sorted(values), len(values)):
                    values[name].append(self._measures[name]())
        return self._result(values)

    def _result(self, values: dict[str, list[float]]) -> Result:
        if self.baseline:
            bare = values[self.baseline]
            values = {
                name: seen if name == self.baseline else [one - none for one, none in zip(seen, bare, strict=True)]
                for name, seen in values.items()
            }
        rows = [Row(name, Spread.of(seen), _ratio(seen, values[self.reference])) for name, seen in values.items()]
        targets = []
        for name, at_most, of in self._targets:
            ratio = _ratio(values[name], values[of]) if of else Spread.of(values[name])
            targets.append(Target(name, at_most, of, ratio.median if ratio else float("inf")))
        rows.sort(key=lambda row: row.value.median)
        return Result(self.title, self.unit, self.reference, self.baseline, tuple(rows), tuple(targets))

    def _add(self, name: str, measure: Callable[[], float], scale: float) -> None:
        if name in self._measures:
            raise ValueError(f"table {self.title!r} has two rows {name!r}")
        self._measures[name] = lambda: measure() * scale

    def _loop(self) -> asyncio.Runner:
        if self._runner is None:
            self._runner = self._stack.enter_context(asyncio.Runner())
        return self._runner


def _ratio(values: Sequence[float], reference: Sequence[float]) -> Spread | None:
    pairs = [one / other for one, other in zip(values, reference, strict=True) if other > 0]
    return Spread.of(pairs) if pairs else None


class Suite:
    """The tables of one script.

    Args:
        title: What the script compares.
        clock: CPU seconds of this process.
    """

    def __init__(self, title: str, *, clock: Callable[[], float] = time.process_time) -> None:
        self._title = title
        self._clock = clock
        self._tables: list[tuple[str, str, str | None, str, Callable[[Table], None]]] = []

    def table(
        self, title: str, *, reference: str, baseline: str | None = None, unit: str = "µs"
    ) -> Callable[[Callable[[Table], None]], Callable[[Table], None]]:
        """Register the function that fills a table; it is called only when the table is wanted.

        Args:
            title: What is compared.
            reference: The row that all ratios are to.
            baseline: The row that is subtracted from the others.
            unit: Of the values: `"s"`, `"ms"`, `"µs"`, `"ns"`, or that of `Table.figure`.

        Returns:
            A decorator.
        """

        def register(fill: Callable[[Table], None]) -> Callable[[Table], None]:
            self._tables.append((title, reference, baseline, unit, fill))
            return fill

        return register

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run as a command.

        Args:
            arguments: Those of the command line by default.

        Returns:
            The exit status: 1 if `--check` was given and a target was not met, else 0.
        """
        options = self._options(arguments)
        chosen = [entry for entry in self._tables if all(text.lower() in entry[0].lower() for text in options.only)]
        if options.list:
            _say("\n".join(entry[0] for entry in chosen))
            return 0
        if not chosen:
            titles = ", ".join(repr(entry[0]) for entry in self._tables)
            _say(f"no table has {' and '.join(options.only)!r} in its title; there are {titles}", sys.stderr)
            return 2
        results = []
        for number, (title, reference, baseline, unit, fill) in enumerate(chosen, 1):
            _say(f"[{number}/{len(chosen)}] {title}", sys.stderr)
            table = Table(title, reference, baseline, unit, self._clock, 0.001 if options.quick else 0.02)
            fill(table)
            results.append(table.measure(3 if options.quick else options.rounds, random.Random(0)))  # noqa: S311 - an order, no secret
            if not options.json:
                _say((results[-1].markdown() if options.markdown else results[-1].text()) + "\n")
        if options.json:
            tables = [result.to_json() for result in results]
            _say(json.dumps({"suite": self._title, "python": platform.python_version(), "tables": tables}))
        missed = [target for result in results for target in result.targets if not target.met]
        return 1 if options.check and missed else 0

    def _options(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        parser = argparse.ArgumentParser(description=f"{self._title}: ratios of CPU time, all taken in one run.")
        parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="tables with TEXT in the title")
        parser.add_argument("--list", action="store_true", help="name the tables and stop")
        parser.add_argument("--rounds", type=int, default=21, help="measurements of each row (default: %(default)s)")
        parser.add_argument("--quick", action="store_true", help="three short rounds: whether it runs, not how fast")
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument("--json", action="store_true", help="one JSON document instead of tables")
        shown.add_argument("--markdown", action="store_true", help="tables for a document, ratios only")
        parser.add_argument("--check", action="store_true", help="exit with 1 if a target is not met")
        return parser.parse_args(arguments)


def _say(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)
