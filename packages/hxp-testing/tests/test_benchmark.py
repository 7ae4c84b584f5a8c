"""A benchmark tells ratios of one run, in turn and round by round, and says which targets were met."""

import asyncio
import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hxp_testing.benchmark import Suite, Table, process_seconds


class Work:
    """A clock that the work itself moves, so that a benchmark of it gives exact figures."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def __call__(self) -> float:
        return self.now

    def take(self, name: str, seconds: float) -> None:
        self.order.append(name)
        self.now += seconds


def suite_of(work: Work, *, baseline: str | None = None) -> Suite:
    suite = Suite("three ways to work", clock=work)

    @suite.table("the table", reference="slow", baseline=baseline)
    def fill(table: Table) -> None:
        async def quick() -> None:
            work.take("quick", 0.002)

        table.call("bare", lambda: work.take("bare", 0.001))
        table.call("quick", quick)
        table.call("slow", lambda: work.take("slow", 0.005))
        table.target("quick", at_most=0.5)
        table.target("quick", at_most=1.5, of="bare")
        table.target("slow", at_most=1e6, of=None)

    return suite


def shown(suite: Suite, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert suite.main(["--json", "--rounds=3"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    assert len(tables) == 1
    return dict(tables[0])


def test_rows_come_cheapest_first_with_their_ratio_to_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    table = shown(suite_of(Work()), capsys)
    assert [row["name"] for row in table["rows"]] == ["bare", "quick", "slow"]  # type: ignore[attr-defined] # of JSON
    assert [row["ratio"]["median"] for row in table["rows"]] == pytest.approx([0.2, 0.4, 1.0])  # type: ignore[attr-defined] # of JSON
    assert [row["value"]["median"] for row in table["rows"]] == pytest.approx([1000, 2000, 5000])  # type: ignore[attr-defined] # of JSON


def test_the_baseline_is_subtracted_from_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    table = shown(suite_of(Work(), baseline="bare"), capsys)
    assert [row["ratio"]["median"] for row in table["rows"]] == pytest.approx([0.25, 0.25, 1.0])  # type: ignore[attr-defined] # of JSON


def test_targets_say_what_was_measured_and_whether_it_was_met(capsys: pytest.CaptureFixture[str]) -> None:
    table = shown(suite_of(Work()), capsys)
    assert [target["met"] for target in table["targets"]] == [True, False, True]  # type: ignore[attr-defined] # of JSON
    assert suite_of(Work()).main(["--rounds=3"]) == 0
    out = capsys.readouterr().out
    assert "met: quick 0.4 x slow, at most 0.5 x slow" in out
    assert "NOT MET: quick 2 x bare, at most 1.5 x bare" in out
    assert "met: slow 5e+03, at most 1e+06" in out
    assert suite_of(Work()).main(["--check", "--rounds=3"]) == 1


def test_a_document_gets_ratios_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert suite_of(Work(), baseline="bare").main(["--markdown", "--rounds=3"]) == 0
    out = capsys.readouterr().out
    assert "**the table**, over 'bare'" in out
    assert "| quick | 0.25 | 0.25 to 0.25 |" in out
    assert "| bare" not in out


def test_every_round_measures_every_row_in_another_order() -> None:
    work = Work()
    table = Table("order", "a", None, "s", work, 0.0)
    for name in "abc":
        table.figure(name, lambda name=name: work.take(name, 1.0) or 1.0)  # type: ignore[misc, func-returns-value] # a figure with a trace
    table.measure(20, random.Random(1))
    rounds = ["".join(work.order[start : start + 3]) for start in range(0, 60, 3)]
    assert {"".join(sorted(one)) for one in rounds} == {"abc"}
    assert len(set(rounds)) > 3


def test_a_row_is_repeated_until_it_can_be_measured() -> None:
    work = Work()
    table = Table("short", "tiny", None, "ns", work, 1.0)
    table.call("tiny", lambda: work.take("tiny", 1e-3))
    result = table.measure(1, random.Random(1))
    assert result.rows[0].value.median == pytest.approx(1e6)
    assert len(work.order) >= 2 * 1000


def test_what_a_table_enters_it_leaves_and_its_loop_is_one() -> None:
    loops: list[object] = []
    left: list[bool] = []

    @contextmanager
    def resource() -> Iterator[str]:
        yield "there"
        left.append(True)

    async def note() -> str:
        loops.append(asyncio.get_running_loop())
        return "ran"

    work = Work()
    table = Table("loops", "a", None, "s", work, 0.0)
    assert table.enter(resource()) == "there"
    assert table.run(note) == "ran"
    table.call("a", note)
    table.measure(2, random.Random(1))
    assert len(set(map(id, loops))) == 1
    assert left == [True]


def test_a_program_is_measured_in_a_fresh_interpreter(capsys: pytest.CaptureFixture[str]) -> None:
    suite = Suite("imports")

    @suite.table("imports", reference="work", baseline="idle", unit="ms")
    def fill(table: Table) -> None:
        table.process("idle", "")
        table.process("work", "sum(range(10_000_000))")

    assert suite.main(["--quick"]) == 0
    assert "work" in capsys.readouterr().out
    with pytest.raises(subprocess.CalledProcessError):
        process_seconds("raise SystemExit(3)")


@pytest.mark.parametrize("wrong", ["reference", "baseline", "target"])
def test_a_name_without_a_row_is_told(wrong: str) -> None:
    reference, baseline = ("gone", None) if wrong == "reference" else ("a", "gone" if wrong == "baseline" else None)
    table = Table("names", reference, baseline, "s", Work(), 0.0)
    table.figure("a", lambda: 1.0)
    if wrong == "target":
        table.target("gone", at_most=1)
    with pytest.raises(ValueError, match="table 'names' has no row 'gone'; it has a"):
        table.measure(1, random.Random(1))


def test_two_rows_of_one_name_are_refused() -> None:
    table = Table("names", "a", None, "bytes", Work(), 0.0)
    table.figure("a", lambda: 1.0)
    with pytest.raises(ValueError, match="two rows 'a'"):
        table.figure("a", lambda: 2.0)


def test_a_reference_that_costs_nothing_gives_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    suite = Suite("nothing")

    @suite.table("nothing", reference="a", unit="bytes")
    def fill(table: Table) -> None:
        table.figure("a", lambda: 0.0)
        table.target("a", at_most=1)

    assert suite.main(["--check", "--rounds=3"]) == 1
    assert "NOT MET: a inf x a" in capsys.readouterr().out


def test_tables_are_listed_and_chosen_by_their_title(capsys: pytest.CaptureFixture[str]) -> None:
    suite = suite_of(Work())
    assert suite.main(["--list"]) == 0
    assert capsys.readouterr().out == "the table\n"
    assert suite.main(["--only", "chair"]) == 2
    assert "no table has 'chair' in its title; there are 'the table'" in capsys.readouterr().err
