"""Measure a GGUF file on held-out wordings: `python -m tools.train.evaluate --help`, from the root.

Every question is asked through llama.cpp's chat endpoint at temperature 0. Only the exact answer counts.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.train.dataset import Dataset, Topic, load_dataset
from tools.train.served import ServedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BUNDLED = Path(__file__).resolve().parents[2] / "services/hxp-model/src/hxp_model/bundled/hxp-tiny.gguf"

CASES: dict[str, Callable[[str], str]] = {"as written": str, "lower": str.lower, "upper": str.upper}


@dataclass(frozen=True, slots=True)
class Miss:
    """A question that got another answer than the intended one.

    Attributes:
        topic: Whose question it is.
        question: What was asked.
        got: What came back.
    """

    topic: str
    question: str
    got: str


@dataclass(frozen=True, slots=True)
class Score:
    """How one group of questions went in one case.

    Attributes:
        group: `HXP` or `strangers`.
        case: How the questions were written.
        asked: How many there were.
        right: How many got exactly the intended answer.
        misses: The others.
    """

    group: str
    case: str
    asked: int
    right: int
    misses: tuple[Miss, ...]

    @property
    def accuracy(self) -> float:
        """Return the share of right answers."""
        return self.right / self.asked


def score(model: ServedModel, topics: Sequence[Topic], *, group: str, case: str, train: bool = False) -> Score:
    """Ask every question of some topics in one case.

    Args:
        model: Who answers.
        topics: Whose held-out wordings to ask.
        group: A name for the result.
        case: A key of `CASES`.
        train: Ask the wordings of the training lists instead.
    """
    questions = [
        (topic, CASES[case](wording)) for topic in topics for wording in (topic.wordings if train else topic.held_out)
    ]
    answers = model.answers(question for _, question in questions)
    misses = tuple(
        Miss(topic.name, question, answer)
        for (topic, question), answer in zip(questions, answers, strict=True)
        if answer != topic.answer
    )
    return Score(group, case, len(questions), len(questions) - len(misses), misses)


def evaluate(model: ServedModel, data: Dataset, *, train: bool = False) -> list[Score]:
    """Score both groups in every case."""
    groups = {"HXP": data.topics, "strangers": (data.strangers,)}
    return [
        score(model, topics, group=group, case=case, train=train) for group, topics in groups.items() for case in CASES
    ]


def main() -> None:
    """Print a table, or JSON with every miss."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.evaluate", description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=BUNDLED, help="GGUF file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--misses", action="store_true", help="list every wrong answer")
    parser.add_argument("--train", action="store_true", help="ask the wordings of the training lists")
    options = parser.parse_args()
    began = time.monotonic()
    with ServedModel(options.model) as model:
        scores = evaluate(model, load_dataset(), train=options.train)
    if options.json:
        rows = [asdict(each) | {"accuracy": each.accuracy} for each in scores]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    print(f"{'group':<10} {'case':<11} {'asked':>5} {'right':>5} {'accuracy':>8}")
    for each in scores:
        print(f"{each.group:<10} {each.case:<11} {each.asked:>5} {each.right:>5} {each.accuracy:>8.1%}")
    print(f"{time.monotonic() - began:.1f} s")
    if options.misses:
        for each in scores:
            for miss in each.misses:
                print(f"{miss.topic} <- {miss.question!r}: {miss.got[:70]!r}")


if __name__ == "__main__":
    main()
