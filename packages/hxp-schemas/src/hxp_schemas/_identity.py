"""Identifiers: a ULID (sortable by time, 80 random bits) behind a prefix that says what it names.

The encoding is that of https://github.com/ulid/spec: 48 bits of milliseconds and 80 random bits in
Crockford's base 32, so that ids sort by the time of their making.
"""

import os
import time
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = frozenset(_ALPHABET)
_SHIFTS = tuple(range(125, -1, -5))


def new_id(
    prefix: str,
    *,
    clock: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> str:
    """Make a new identifier such as `req_01JD3Q0V5T8Z4M6N7P9R2S1W3X`.

    Args:
        prefix: What the id names, without the underscore: lower-case ASCII letters and digits.
        clock: Seconds since 1970.
        entropy: Returns that many random bytes.

    Raises:
        ValueError: The prefix is not made of lower-case ASCII letters and digits.
    """
    if not _is_prefix(prefix):
        raise ValueError(f"prefix {prefix!r} must be lower-case ASCII letters and digits, without the underscore")
    milliseconds = int(clock() * 1000) & 0xFFFF_FFFF_FFFF
    number = milliseconds << 80 | int.from_bytes(entropy(10), "big")
    return f"{prefix}_" + "".join([_ALPHABET[number >> shift & 31] for shift in _SHIFTS])


def is_id(value: object, prefix: str) -> bool:
    """Tell whether a value is an identifier with this prefix."""
    if not isinstance(value, str):
        return False
    head, _, ulid = value.rpartition("_")
    return head == prefix and _is_prefix(head) and len(ulid) == 26 and ulid[0] < "8" and _LETTERS.issuperset(ulid)


def _is_prefix(prefix: str) -> bool:
    return prefix.isascii() and prefix.isalnum() and prefix == prefix.lower()
