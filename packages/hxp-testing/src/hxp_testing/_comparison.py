"""What a table of candidates showed, for a terminal, a document and a program."""

from dataclasses import dataclass
from typing import Any

from ._measure import Spread


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate's figures.

    Attributes:
        name: The candidate.
        value: In the table's unit, minus the baseline if the table has one.
        ratio: To the reference of the same round; None where the reference costs nothing that can be measured.
    """

    name: str
    value: Spread
    ratio: Spread | None


@dataclass(frozen=True, slots=True)
class Target:
    """What a candidate should cost at most, and what it did.

    Attributes:
        name: The candidate.
        at_most: The limit.
        of: The row that the limit is a multiple of; None for a limit in the table's unit.
        measured: The median.
    """

    name: str
    at_most: float
    of: str | None
    measured: float

    @property
    def met(self) -> bool:
        """Whether the candidate stayed within its limit."""
        return self.measured <= self.at_most

    def __str__(self) -> str:
        """Say it in a line."""
        of = f" x {self.of}" if self.of else ""
        return (
            f"{'met' if self.met else 'NOT MET'}: {self.name} {self.measured:.3g}{of}, at most {self.at_most:.3g}{of}"
        )


@dataclass(frozen=True, slots=True)
class Result:
    """One table, measured.

    Attributes:
        title: What was compared.
        unit: Of each row's value.
        reference: The row that all ratios are to.
        baseline: The row that was subtracted from the others.
        rows: The cheapest first.
        targets: In the order of their declaration.
    """

    title: str
    unit: str
    reference: str
    baseline: str | None
    rows: tuple[Row, ...]
    targets: tuple[Target, ...]

    def text(self) -> str:
        """Show the table to a reader at a terminal."""
        over = f", over {self.baseline!r}" if self.baseline else ""
        width = max(len(row.name) for row in self.rows)
        lines = [f"{self.title} ({self.unit}{over})"]
        for row in self.rows:
            ratio = f"{row.ratio.median:8.2f} x  [{row.ratio.low:.2f} .. {row.ratio.high:.2f}]" if row.ratio else ""
            lines.append(f"  {row.name:<{width}} {row.value.median:10.3f} {ratio}".rstrip())
        return "\n".join([*lines, *(f"  {target}" for target in self.targets)])

    def markdown(self) -> str:
        """Show the table in a document: ratios only, since they alone carry over to another machine."""
        over = f", over {self.baseline!r}" if self.baseline else ""
        lines = [f"**{self.title}**{over}", "", f"| candidate | x {self.reference} | quartiles |", "|---|---|---|"]
        lines += [
            f"| {row.name} | {row.ratio.median:.2f} | {row.ratio.low:.2f} to {row.ratio.high:.2f} |"
            for row in self.rows
            if row.ratio and row.name != self.baseline
        ]
        return "\n".join([*lines, "", *(f"- {target}" for target in self.targets)]).rstrip()

    def to_json(self) -> dict[str, Any]:
        """Hand the table to a program."""

        def spread(values: Spread) -> dict[str, float]:
            return {"median": values.median, "low": values.low, "high": values.high}

        return {
            "title": self.title,
            "unit": self.unit,
            "reference": self.reference,
            "baseline": self.baseline,
            "rows": [
                {"name": row.name, "value": spread(row.value), "ratio": row.ratio and spread(row.ratio)}
                for row in self.rows
            ],
            "targets": [
                {"name": t.name, "at_most": t.at_most, "of": t.of, "measured": t.measured, "met": t.met}
                for t in self.targets
            ],
        }
