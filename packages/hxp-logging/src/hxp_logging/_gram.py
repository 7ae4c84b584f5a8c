"""The search for registered secrets without the extra `redact`.

A line is cut into blocks of one size. A secret of at least twice that size less one fills at least one block wherever
it begins, with one of as many of its substrings as the size says: so a set of those tells whether a secret may be
there. The larger the blocks, the fewer there are.
"""

import re
from collections.abc import Callable, Sequence
from functools import reduce
from struct import Struct

_SIZES = (16, 8)
_MAX_BLOCKS = 512  # of which there is a `Struct` in store; in a longer line, that many are looked at in one go
_EQUALS, _SLASH, _SPACE = b"=/ "  # as numbers, which are found five times as fast

Look = Callable[[bytes], bool]


def find_any(secrets: Sequence[bytes], shapes: Sequence[tuple[bytes, re.Pattern[bytes]]]) -> Look:
    """Build a search; see `_automaton.find_any`, whose twin it is. It may suspect too much, never too little."""
    looks: list[Look] = []
    rest = list(secrets)
    for size in _SIZES:
        if found := [secret for secret in rest if len(secret) >= 2 * size - 1]:
            looks.append(_blocks(found, size))
            rest = [secret for secret in rest if len(secret) < 2 * size - 1]
    if rest:
        looks.append(_any_of(rest))
    if shapes:
        looks.append(_shapes(shapes))
    return reduce(_either, looks)


def _either(first: Look, second: Look) -> Look:
    return lambda line: first(line) or second(line)


def _blocks(secrets: Sequence[bytes], size: int) -> Look:
    is_free_of = frozenset(secret[start : start + size] for secret in secrets for start in range(size)).isdisjoint
    cuts: dict[int, Callable[[bytes, int], tuple[bytes, ...]]] = {}

    def look(line: bytes) -> bool:
        begin, count = 0, len(line) // size
        while count > _MAX_BLOCKS:
            if not is_free_of(cut(_MAX_BLOCKS)(line, begin)):
                return True
            begin, count = begin + _MAX_BLOCKS * size, count - _MAX_BLOCKS
        return not is_free_of((cuts.get(count) or cut(count))(line, begin))

    def cut(count: int) -> Callable[[bytes, int], tuple[bytes, ...]]:
        if count not in cuts:
            cuts[count] = Struct(f"{size}s" * count).unpack_from
        return cuts[count]

    return look


def _shapes(shapes: Sequence[tuple[bytes, re.Pattern[bytes]]]) -> Look:
    """Build a quick look for the beginnings of shapes: a search for each of them would cost more than the line.

    Most end with `_` or `-`: two bytes before each of those tell enough. The others are only searched for in a line
    that has a byte of theirs which is rare in lines.
    """
    starts = [start for start, _ in shapes]
    rare: dict[int, list[bytes]] = {}
    for start in starts:
        if not start.endswith((b"_", b"-")):
            rare.setdefault(_rarest(start), []).append(start)
    guarded = [(end[0], _before(end, starts)) for end in (b"_", b"-")]
    guarded += [(byte, _any_of(group)) for byte, group in rare.items()]

    def look(line: bytes) -> bool:
        for byte, begins in guarded:
            if byte in line and begins(line):
                return any(start in line and expression.search(line) for start, expression in shapes)
        return False

    return look


def _before(end: bytes, starts: Sequence[bytes]) -> Look:
    known = frozenset(start[:-1][-2:] for start in starts if start.endswith(end))
    return lambda line: any(part[-2:] in known for part in line.split(end))


def _any_of(texts: Sequence[bytes]) -> Look:
    if len(texts) == 1:
        text = texts[0]
        return lambda line: line.find(text) >= 0  # twice as fast as `in`
    return lambda line: any(line.find(text) >= 0 for text in texts)


def _rarest(start: bytes) -> int:
    capitals = [byte for byte in start if 65 <= byte <= 90]
    return next((byte for byte in (_EQUALS, *capitals, _SLASH, _SPACE) if byte in start), start[0])
