"""An endless, seeded supply of training batches."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tools.train.augmentation import Variation
from tools.train.dataset import Conversation, Dataset, Sample, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from tools.train.tokenizer import Tokenizer

_STRANGERS = 0.3
_FIRST_QUESTION = 3.0
_SHORT_ANSWER = 10


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded conversations.

    Attributes:
        ids: Token ids of shape (rows, time).
        learn: Which ids are to be predicted, of the same shape.
        offset: The first position of each row.
    """

    ids: Tensor
    learn: Tensor
    offset: Tensor


class Batches:
    """Draws conversations, sorts them by length and pads them together.

    Args:
        data: What to talk about.
        tokenizer: How it becomes numbers.
        tokens: How many tokens a batch holds at the most, padding included.
        context: Positions to spread the conversations over.
        seed: Fixes everything that is drawn.
    """

    def __init__(self, data: Dataset, tokenizer: Tokenizer, *, tokens: int, context: int, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - nothing here is secret
        self._variation = Variation(data, self._chance)
        self._data = data
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._context = context
        self._weights = [_FIRST_QUESTION, *([1.0] * (len(data.topics) - 1))]
        self._answers = {topic.name: tokenizer.encode(topic.answer) for topic in data.everything()}

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        while True:
            samples = sorted((self._sample() for _ in range(640)), key=lambda sample: len(sample.ids))
            groups: list[list[Sample]] = [[]]
            for sample in samples:
                if len(sample.ids) * (len(groups[-1]) + 1) > self._tokens:
                    groups.append([])
                groups[-1].append(sample)
            self._chance.shuffle(groups)
            yield from (self._padded(group) for group in groups)

    def _topic(self) -> Topic:
        if self._chance.random() < _STRANGERS:
            return self._data.strangers
        return self._chance.choices(self._data.topics, self._weights)[0]

    def _sample(self) -> Sample:
        """Draw a conversation, mostly of one turn; three quarters of those learn only how an answer begins.

        The choice of the answer falls within its first tokens and is what takes longest to learn.
        """
        conversation = Conversation(self._tokenizer)
        if self._chance.random() < 0.3:
            conversation.system(self._chance.choice(self._data.phrases.systems))
        turns = self._chance.choices((1, 2, 3, 4), (90, 6, 2, 2))[0]
        short = turns == 1 and self._chance.random() < 0.75
        for _ in range(turns):
            topic = self._topic()
            dropout = 0.1 if self._chance.random() < 0.3 else 0.0
            question = self._variation.draw(topic)
            conversation.user(self._tokenizer.encode(question, dropout=dropout, chance=self._chance))
            conversation.assistant(self._answers[topic.name], first=_SHORT_ANSWER if short else None)
        return conversation.sample()

    def _padded(self, group: list[Sample]) -> Batch:
        time = max(len(sample.ids) for sample in group)
        ids = torch.zeros(len(group), time, dtype=torch.long)
        learn = torch.zeros(len(group), time, dtype=torch.bool)
        for row, sample in enumerate(group):
            ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
            learn[row, : len(sample.ids)] = torch.tensor(sample.learn)
        room = self._context - time
        offset = [self._chance.choice((0, self._chance.randint(0, room))) for _ in group]
        return Batch(ids, learn, torch.tensor(offset))
