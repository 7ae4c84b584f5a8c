"""One pass over a line for all registered secrets and all shapes, in Rust; the extra `redact`."""

import re
from collections.abc import Callable, Sequence

try:
    from ahocorasick_rs import BytesAhoCorasick
except ModuleNotFoundError:  # pragma: no cover - the environment of the tests has every extra
    BytesAhoCorasick = None  # type: ignore[assignment,misc]  # then `_gram` does the work


def find_any(
    secrets: Sequence[bytes], shapes: Sequence[tuple[bytes, re.Pattern[bytes]]]
) -> Callable[[bytes], bool] | None:
    """Build a search.

    Args:
        secrets: As they stand in an encoded line.
        shapes: How each begins, and an expression for the whole of it.

    Returns:
        A function that tells whether a line may hold any of them; None without the extra.
    """
    if BytesAhoCorasick is None:
        return None
    search = BytesAhoCorasick([*(start for start, _ in shapes), *secrets]).find_matches_as_indexes
    matches = [expression.match for _, expression in shapes]
    first_secret = len(matches)

    def is_suspect(line: bytes) -> bool:
        for index, start, _ in search(line, overlapping=True):  # or a shape's start would hide a secret's
            if index >= first_secret or matches[index](line, start):
                return True
        return False

    return is_suspect
