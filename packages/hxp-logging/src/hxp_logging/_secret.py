"""Values that must never be written, in every form in which they may appear."""

from collections.abc import Callable

from orjson import dumps

from ._fork import ForkSafeLock
from ._shape import MARK, ROUGH, hide_cards, hide_shapes, seems_card

LIMIT = 8192
_SHORTEST = 8
_LONGEST_SHAPE = 4096


class Secrets:
    """What to hide: registered values in all their encodings, and everything of a telling shape.

    Args:
        shapes: Whether API keys, tokens and the like are hidden although nobody registered them.
        cards: Whether card numbers are.

    Attributes:
        version: Goes up with each value; what was made before may hold it.
        is_suspect: Tells whether an encoded line may hold anything that must be hidden.
    """

    def __init__(self, *, shapes: bool = True, cards: bool = False) -> None:
        self._shapes = shapes
        self._cards = cards
        self._forms: tuple[str, ...] = ()
        self._longest = 0
        self.version = 0
        self._lock = ForkSafeLock()
        self._listeners: list[Callable[[], None]] = []
        self.is_suspect: Callable[[bytes], bool] = self._prepare  # made on first use: a hundred may be registered

    def register(self, value: str) -> bool:
        """Hide a value from now on, unless it is so short that it would hide half the log."""
        if len(value) < _SHORTEST:
            return False
        from ._form import forms_of  # noqa: PLC0415 - base64 and URLs, which few programs need at their start

        forms = {form for form in forms_of(value, printable_text(value)) if len(form) >= _SHORTEST}
        with self._lock:
            self._forms = tuple(sorted({*self._forms, *forms}, key=len, reverse=True))
            self._longest = len(self._forms[0])
            self.version += 1
            self.is_suspect = self._prepare
            for tell in self._listeners:
                tell()
        return True

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call a function whenever there is more to hide."""
        self._listeners.append(tell)

    def hide(self, text: str) -> str:
        """Replace every registered value, and everything of a telling shape."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MARK)
        if self._shapes:
            text = hide_shapes(text)
        return hide_cards(text) if self._cards else text

    def cut(self, text: str) -> str:
        """Shorten a text and say so; a secret that straddles the cut goes first, or its head would stay."""
        if len(text) <= LIMIT:
            return text
        head = self.hide(text[: LIMIT + max(self._longest, _LONGEST_SHAPE)])[:LIMIT]
        return f"{head}…[cut, {len(text)} characters]"

    def cut_middle(self, text: str) -> str:
        """Shorten a text whose end matters as much as its beginning, such as a traceback."""
        if len(text) <= LIMIT:
            return text
        spare = max(self._longest, _LONGEST_SHAPE) + LIMIT
        if len(text) > 2 * spare:  # 10 MB need no search from end to end
            head, tail = self.hide(text[:spare]), self.hide(text[-spare:])
        else:
            head = tail = self.hide(text)
        return f"{head[: LIMIT // 2]}\n…[cut, {len(text)} characters]…\n{tail[-LIMIT // 2 :]}"

    def _prepare(self, line: bytes) -> bool:
        with self._lock:  # or a value that is registered while the search is built would never be looked for
            self.is_suspect = search = self._search()
        return search(line)

    def _search(self) -> Callable[[bytes], bool]:
        """Build the test that every encoded line takes: it may suspect too much, never too little."""
        encoded = sorted({dumps(printable_text(form))[1:-1] for form in self._forms})
        shapes = ROUGH if self._shapes else ()
        if not encoded and not shapes and not self._cards:
            return suspect_nothing
        from . import _automaton  # noqa: PLC0415 - a program that hides nothing needs neither

        is_suspect = _automaton.find_any(encoded, shapes)
        if is_suspect is None:
            from . import _gram  # noqa: PLC0415

            is_suspect = _gram.find_any(encoded, shapes)
        return _or_card(is_suspect) if self._cards else is_suspect


def _or_card(is_suspect: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    return lambda line: is_suspect(line) or seems_card(line)


def suspect_nothing(_line: bytes, /) -> bool:
    """Stand in for a search where there is nothing to hide."""
    return False


def printable_text(text: str) -> str:
    """Write out lone surrogates, which UTF-8 cannot carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text if type(text) is str else str.__str__(text)


def unprintable(value: object) -> str:
    """Tell of a value that cannot be told."""
    return f"<unprintable {type(value).__name__}>"
