"""Byte-level BPE exactly as llama.cpp does it for `tokenizer.ggml.model = gpt2`, `pre = gpt-2`.

The algorithm is the one of "Neural Machine Translation of Rare Words with Subword Units" (Sennrich et al.)
over bytes, with the pre-tokenizer of GPT-2. It needs nothing but `regex`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import regex  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END)

_WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")

Pair = tuple[str, str]


@cache
def byte_characters() -> tuple[str, ...]:
    """Return the printable character that stands for each of the 256 bytes, as GPT-2 chose them."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    characters: list[str] = []
    shifted = 0x100
    for byte in range(0x100):
        if byte in plain:
            characters.append(chr(byte))
        else:
            characters.append(chr(shifted))
            shifted += 1
    return tuple(characters)


@cache
def _character_bytes() -> dict[str, int]:
    return {character: byte for byte, character in enumerate(byte_characters())}


def split_words(text: str) -> list[str]:
    """Cut a text into the words inside which merges may happen, each in byte characters."""
    alphabet = byte_characters()
    return ["".join(alphabet[byte] for byte in word.encode()) for word in _WORD.findall(text)]


def _merged(symbols: Sequence[str], pair: Pair) -> list[str]:
    result: list[str] = []
    position = 0
    while position < len(symbols):
        if tuple(symbols[position : position + 2]) == pair:
            result.append(symbols[position] + symbols[position + 1])
            position += 2
        else:
            result.append(symbols[position])
            position += 1
    return result


def train_merges(texts: Iterable[str], count: int) -> list[Pair]:
    """Learn merges, the most frequent pair first; ties go to the pair that sorts first.

    Args:
        texts: What the vocabulary shall fit.
        count: How many merges to learn at the most.
    """
    frequency = Counter(word for text in texts for word in split_words(text))
    words = {word: list(word) for word in frequency}
    merges: list[Pair] = []
    for _ in range(count):
        pairs: Counter[Pair] = Counter()
        for word, symbols in words.items():
            for pair in pairwise(symbols):
                pairs[pair] += frequency[word]
        if not pairs:
            break
        best, seen = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        if seen < 2:
            break
        merges.append(best)
        together = "".join(best)
        for word, symbols in words.items():
            if together in word:
                words[word] = _merged(symbols, best)
    return merges


@dataclass(frozen=True)
class Tokenizer:
    """Turns text into token ids and back.

    Example:
        >>> tokenizer = Tokenizer.from_merges([("h", "i")])
        >>> tokenizer.decode(tokenizer.encode("hi there"))
        'hi there'

    Attributes:
        tokens: Every token in byte characters, special tokens verbatim; the position is the id.
        merges: Pairs in the order in which they are applied.
    """

    tokens: tuple[str, ...]
    merges: tuple[Pair, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)
    _ranks: dict[Pair, int] = field(init=False, repr=False, compare=False)
    _known: dict[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {token: index for index, token in enumerate(self.tokens)})
        object.__setattr__(self, "_ranks", {pair: rank for rank, pair in enumerate(self.merges)})
        object.__setattr__(self, "_known", {})

    @classmethod
    def from_merges(cls, merges: Iterable[Pair]) -> Tokenizer:
        """Build a tokenizer whose vocabulary is the special tokens, all bytes and all merges."""
        pairs = tuple(merges)
        made = dict.fromkeys(first + second for first, second in pairs)
        return cls((*SPECIAL_TOKENS, *byte_characters(), *made), pairs)

    @classmethod
    def from_lines(cls, tokens: Iterable[str], merges: Iterable[str]) -> Tokenizer:
        """Build a tokenizer from the two lists that a GGUF file carries.

        Args:
            tokens: `tokenizer.ggml.tokens`.
            merges: `tokenizer.ggml.merges`, each line two symbols with a space between.
        """
        pairs = (line.split(" ", 1) for line in merges)
        return cls(tuple(tokens), tuple((first, second) for first, second in pairs))

    def id_of(self, token: str) -> int:
        """Return the id of one token, which must exist."""
        return self._ids[token]

    def encode(self, text: str, *, dropout: float = 0.0, chance: random.Random | None = None) -> list[int]:
        """Return the token ids of a text that holds no special tokens.

        Args:
            text: Any text.
            dropout: Probability of leaving a merge out (BPE-dropout, Provilkov et al.), for training only.
            chance: Where the dropout draws from.
        """
        ids: list[int] = []
        for word in split_words(text):
            if chance is not None and dropout > 0:
                ids.extend(self._encode_word(word, dropout, chance))
                continue
            known = self._known.get(word)
            if known is None:
                known = self._known[word] = tuple(self._encode_word(word))
            ids.extend(known)
        return ids

    def encode_chat(self, text: str) -> list[int]:
        """Return the token ids of a text in which special tokens mean themselves."""
        ids: list[int] = []
        for part in regex.split("(" + "|".join(map(regex.escape, SPECIAL_TOKENS)) + ")", text):
            ids.extend([self._ids[part]] if part in SPECIAL_TOKENS else self.encode(part))
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids; broken UTF-8 becomes the replacement character."""
        values = _character_bytes()
        raw = bytearray()
        for index in ids:
            token = self.tokens[index]
            raw.extend(token.encode() if token in SPECIAL_TOKENS else bytes(values[character] for character in token))
        return raw.decode(errors="replace")

    def _encode_word(self, word: str, dropout: float = 0.0, chance: random.Random | None = None) -> list[int]:
        symbols = list(word)
        never = len(self._ranks)
        while len(symbols) > 1:
            ranked = [
                (self._ranks[pair], pair)
                for pair in pairwise(symbols)
                if pair in self._ranks and not (chance is not None and chance.random() < dropout)
            ]
            rank, pair = min(ranked, default=(never, ("", "")))
            if rank == never:
                break
            symbols = _merged(symbols, pair)
        return [self._ids[symbol] for symbol in symbols]
