"""The search for registered secrets without the extra `redact`.

A text is cut into blocks of eight bytes. A secret of fifteen bytes or more fills at least one block wherever it begins,
with one of its own first eight substrings of eight bytes: so a set of those tells whether a secret may be there.
"""

import re
from collections.abc import Callable, Sequence
from struct import unpack_from

_SIZE = 8
_ENOUGH = 2 * _SIZE - 1


def find_any(secrets: Sequence[bytes], shapes: Sequence[tuple[bytes, re.Pattern[bytes]]]) -> Callable[[bytes], bool]:
    """Build a search; see `_automaton.find_any`, whose twin it is. It may suspect too much, never too little."""
    long = [secret for secret in secrets if len(secret) >= _ENOUGH]
    short = [secret for secret in secrets if len(secret) < _ENOUGH]
    is_free_of = frozenset(
        int.from_bytes(secret[start : start + _SIZE], "little") for secret in long for start in range(_SIZE)
    ).isdisjoint

    begins = _beginnings([start for start, _ in shapes])

    def is_suspect(line: bytes) -> bool:
        if long and not is_free_of(unpack_from(f"<{len(line) // _SIZE}Q", line)):
            return True
        for secret in short:
            if secret in line:
                return True
        return begins(line) and any(start in line and expression.search(line) for start, expression in shapes)

    return is_suspect


def _beginnings(starts: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Build a quick look for the beginnings of shapes: a search for each of twenty would cost more than the line.

    Most end with `_` or `-`: two bytes before each of those tell enough. The others are only searched for in a line
    that has their capital letter.
    """
    before = {end: frozenset(start[:-1][-2:] for start in starts if start.endswith(end)) for end in (b"_", b"-")}
    others = [start for start in starts if not start.endswith((b"_", b"-"))]
    rare = [(bytes([next((byte for byte in start if 65 <= byte <= 90), start[0])]), start) for start in others]

    def look(line: bytes) -> bool:
        for end, known in before.items():
            for part in line.split(end):
                if part[-2:] in known:
                    return True
        return any(byte in line and start in line for byte, start in rare)

    return look
