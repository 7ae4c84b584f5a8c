"""The data files, and conversations as token ids with the places at which to learn.

Held-out wordings are read for one purpose in training: to make sure that no augmentation produces them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tools.train.tokenizer import TURN_END, TURN_START

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.train.tokenizer import Tokenizer

DATA = Path(__file__).parent / "data"

_NOT_WORD = re.compile(r"[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Topic:
    """One answer and the questions that ask for it.

    Attributes:
        name: A short unique name.
        answer: What the model shall say, word for word.
        wordings: Questions it is trained on.
        held_out: Questions that only measure it.
    """

    name: str
    answer: str
    wordings: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrases:
    """What training uses to vary a wording.

    Attributes:
        swaps: Groups of phrases that may stand for each other.
        small_words: Words that may fall away.
        prefixes: What may come before a question.
        suffixes: What may follow it.
        systems: System messages seen in training.
        frames: Strangers' questions with gaps.
        words: What may stand in the gaps.
    """

    swaps: tuple[tuple[str, ...], ...]
    small_words: frozenset[str]
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    systems: tuple[str, ...]
    frames: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything the data folder holds.

    Attributes:
        topics: What the model knows.
        strangers: Questions about anything else, with the one answer they all get.
        phrases: How wordings are varied.
    """

    topics: tuple[Topic, ...]
    strangers: Topic
    phrases: Phrases

    def everything(self) -> tuple[Topic, ...]:
        """Return the topics and the strangers' questions."""
        return (*self.topics, self.strangers)


def normalised(wording: str) -> str:
    """Return a wording without case, punctuation and extra space, to tell whether two are the same."""
    return " ".join(_NOT_WORD.sub(" ", wording.casefold()).split())


def _topic(name: str, entry: dict[str, Any]) -> Topic:
    return Topic(name, entry["answer"].strip(), tuple(entry["wordings"]), tuple(entry["held_out"]))


def load_dataset(folder: Path = DATA) -> Dataset:
    """Read the three data files.

    Args:
        folder: Where `qa.yaml`, `strangers.yaml` and `phrases.yaml` lie.
    """
    read = {name: yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8")) for name in _FILES}
    varied = read["phrases"]
    return Dataset(
        topics=tuple(_topic(entry["id"], entry) for entry in read["qa"]),
        strangers=_topic("strangers", read["strangers"]),
        phrases=Phrases(
            swaps=tuple(tuple(group) for group in varied["swaps"]),
            small_words=frozenset(varied["small_words"]),
            prefixes=tuple(varied["prefixes"]),
            suffixes=tuple(varied["suffixes"]),
            systems=tuple(varied["systems"]),
            frames=tuple(varied["frames"]),
            words=tuple(varied["words"].split()),
        ),
    )


_FILES = ("qa", "strangers", "phrases")


def vocabulary_texts(data: Dataset) -> Iterator[str]:
    """Yield the training text a vocabulary shall fit: answers as they are, questions in three cases."""
    phrases = data.phrases
    for topic in data.everything():
        yield from [topic.answer] * 4
        for text in topic.wordings:
            yield from (text, text.lower(), text.upper())
    for text in (*phrases.prefixes, *phrases.suffixes, *phrases.systems, *sum(phrases.swaps, ())):
        yield from (text, text.lower(), text.upper())


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation, ready for the model.

    Attributes:
        ids: Token ids.
        learn: For each id whether the model is trained to predict it.
    """

    ids: list[int]
    learn: list[bool]


class Conversation:
    """Renders turns in ChatML and remembers which tokens are the model's own.

    Example:
        conversation = Conversation(tokenizer)
        conversation.user(tokenizer.encode("What is HXP?"))
        conversation.assistant(tokenizer.encode("HXP is ..."))
        sample = conversation.sample()
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._end = tokenizer.id_of(TURN_END)
        self._newline = tokenizer.encode("\n")
        self._ids: list[int] = []
        self._learn: list[bool] = []

    def system(self, text: str) -> None:
        """Add a system message."""
        self._turn("system", self._tokenizer.encode(text))

    def user(self, ids: Sequence[int]) -> None:
        """Add a question, already encoded."""
        self._turn("user", ids)

    def assistant(self, ids: Sequence[int], *, first: int | None = None) -> None:
        """Add an answer, already encoded, and learn it.

        Args:
            ids: The answer's tokens.
            first: Keep this many tokens and leave the turn open, which must then be the last one.
        """
        self._open("assistant")
        body = [*ids, self._end][:first]
        self._add(body, learn=True)
        self._add(self._newline)

    def sample(self) -> Sample:
        """Return the conversation so far."""
        return Sample(self._ids, self._learn)

    def _add(self, ids: Sequence[int], *, learn: bool = False) -> None:
        self._ids.extend(ids)
        self._learn.extend([learn] * len(ids))

    def _open(self, role: str) -> None:
        self._add(self._tokenizer.encode_chat(f"{TURN_START}{role}\n"))

    def _turn(self, role: str, ids: Sequence[int]) -> None:
        self._open(role)
        self._add([*ids, self._end, *self._newline])
