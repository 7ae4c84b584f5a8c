"""Variations of a question as strangers would type it: other words, case, punctuation, typos, politeness."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from tools.train.dataset import Topic, normalised

if TYPE_CHECKING:
    import random

    from tools.train.dataset import Dataset

_SOCIAL = frozenset({"greeting", "how-are-you", "thanks", "goodbye"})
_ENDINGS = ("", "", "", "?", "?", "?", ".", "!", "??", " ?", "...", "?!")


class Variation:
    """Draws variations of wordings; never one that is held out or that belongs to another topic.

    Example:
        variation = Variation(data, random.Random(1))
        question = variation.draw(topic)
    """

    def __init__(self, data: Dataset, chance: random.Random) -> None:
        self._phrases = data.phrases
        self._chance = chance
        self._owner = {normalised(text): topic.name for topic in data.everything() for text in topic.wordings}
        self._held_out = {normalised(text) for topic in data.everything() for text in topic.held_out}
        self._strangers = data.strangers
        self._swaps = [
            (
                re.compile(rf"(?<![\w-]){re.escape(member)}(?![\w-])", re.IGNORECASE),
                tuple(other for other in group if other != member),
            )
            for group in data.phrases.swaps
            for member in group
        ]
        self._options: dict[str, list[int]] = {}

    def draw(self, topic: Topic) -> str:
        """Return one variation of one of the topic's wordings."""
        while True:
            text = self._decorated(self._reworded(topic), topic)
            key = normalised(text)
            if key not in self._held_out and self._owner.get(key, topic.name) == topic.name:
                return self._cased(self._mistyped(text))

    def _happens(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _reworded(self, topic: Topic) -> str:
        text = self._chance.choice(topic.wordings)
        if topic is self._strangers:
            text = self._stranger(text)
        if self._happens(0.5):
            text = self._swapped(text)
            if self._happens(0.3):
                text = self._swapped(text)
        if self._happens(0.15):
            text = self._thinned(text)
        return text

    def _stranger(self, text: str) -> str:
        """Keep a stranger's question, cross it with another, or make one of any words."""
        drawn = self._chance.random()
        if drawn < 0.4:
            return text
        if drawn < 0.55:
            return self._crossed(text)
        frame = self._chance.choice(self._phrases.frames)
        return re.sub(r"\{\}", lambda _: self._chance.choice(self._phrases.words), frame)

    def _crossed(self, text: str) -> str:
        """Join the beginning of one stranger's question with the end of another."""
        if self._happens(0.1):
            letters = [self._chance.choice(string.ascii_lowercase) for _ in range(self._chance.randint(2, 12))]
            return "".join(letters)
        head, tail = text.split(), self._chance.choice(self._strangers.wordings).split()
        return " ".join(head[: self._chance.randint(1, len(head))] + tail[self._chance.randrange(len(tail)) :])

    def _swapped(self, text: str) -> str:
        if text not in self._options:
            self._options[text] = [index for index, (pattern, _) in enumerate(self._swaps) if pattern.search(text)]
        if not (options := self._options[text]):
            return text
        pattern, others = self._swaps[self._chance.choice(options)]
        other = self._chance.choice(others)
        return pattern.sub(lambda _: other, text, count=1)

    def _thinned(self, text: str) -> str:
        words = text.split()
        small = [index for index, word in enumerate(words) if word in self._phrases.small_words]
        if len(words) < 4 or not small:
            return text
        del words[self._chance.choice(small)]
        return " ".join(words)

    def _decorated(self, text: str, topic: Topic) -> str:
        """Change the end mark and, where it makes sense, add politeness."""
        if self._happens(0.6):
            text = text.rstrip("?!. ") + self._chance.choice(_ENDINGS)
        if topic.name in _SOCIAL:
            return text
        if self._happens(0.2):
            text = f"{self._chance.choice(self._phrases.prefixes)} {text}"
        if self._happens(0.15):
            suffix = self._chance.choice(self._phrases.suffixes)
            if not (topic is self._strangers and "HXP" in suffix):
                text = text.rstrip("?!. ") + ("" if suffix[0] in ",?" else " ") + suffix
        if self._happens(0.12):
            text = text.replace("-", self._chance.choice((" ", "_", "")))
        return text

    def _mistyped(self, text: str) -> str:
        if self._happens(0.03):
            text = f" {text}" if self._happens(0.5) else f"{text} "
        if not self._happens(0.18):
            return text
        for _ in range(1 if self._happens(0.8) else 2):
            places = [
                found.start() + shift
                for found in re.finditer(r"[A-Za-z]{4,}", text)
                for shift in range(1, len(found[0]) - 1)
            ]
            if not places:
                return text
            text = self._slipped(text, self._chance.choice(places))
        return text

    def _slipped(self, text: str, at: int) -> str:
        match self._chance.randrange(4):
            case 0:
                return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
            case 1:
                return text[:at] + text[at + 1 :]
            case 2:
                return text[:at] + text[at] + text[at:]
            case _:
                return text[:at] + self._chance.choice(string.ascii_lowercase) + text[at + 1 :]

    def _cased(self, text: str) -> str:
        drawn = self._chance.random()
        if drawn < 0.35:
            return text
        if drawn < 0.65:
            return text.lower()
        if drawn < 0.9:
            return text.upper()
        if drawn < 0.95:
            return text.title()
        return text[:1].swapcase() + text[1:]
