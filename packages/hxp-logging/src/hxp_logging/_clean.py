"""Values made fit for a line: short, printable, and without secrets."""

from collections.abc import Iterable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from orjson import dumps

MARK = "[redacted]"
LIMIT = 8192
_MAX_DEPTH = 8
_MAX_ITEMS = 256
_MAX_SHAPES = 1024
_SHORTEST_SECRET = 8
_PLAIN = frozenset({int, float, bool, type(None)})


class Secrets:
    """Values that must never be written, in the forms in which they may appear."""

    def __init__(self) -> None:
        self.encoded: tuple[bytes, ...] = ()  # as in a JSON line
        self._forms: tuple[str, ...] = ()
        self._longest = 0

    def register(self, value: str) -> bool:
        """Hide a value from now on, unless it is so short that it would hide half the log."""
        if len(value) < _SHORTEST_SECRET:
            return False
        printable = printable_text(value)
        forms = {*self._forms, value, printable, repr(value)[1:-1], dumps(printable).decode()[1:-1]}
        self._forms = tuple(sorted(forms, key=len, reverse=True))
        self._longest = len(self._forms[0])
        self.encoded = tuple(dumps(printable_text(form))[1:-1] for form in self._forms)
        return True

    def hide(self, text: str) -> str:
        """Replace every registered value."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MARK)
        return text

    def cut(self, text: str) -> str:
        """Shorten a text and say so; a secret that straddles the cut goes first, or its head would stay."""
        if len(text) <= LIMIT:
            return text
        head = self.hide(text[: LIMIT + self._longest])[:LIMIT]
        return f"{head}…[cut, {len(text)} characters]"

    def cut_middle(self, text: str) -> str:
        """Shorten a text whose end matters as much as its beginning, such as a traceback."""
        if len(text) <= LIMIT:
            return text
        text = self.hide(text)
        return f"{text[: LIMIT // 2]}\n…[cut, {len(text)} characters]…\n{text[-LIMIT // 2 :]}"


class Cleaner:
    """Makes fields fit for a line."""

    def __init__(self, redact_keys: Iterable[str], secrets: Secrets) -> None:
        keys = frozenset(_normal(key) for key in redact_keys)
        self._secrets = secrets
        self.is_hidden = lru_cache(maxsize=4096)(lambda name: _normal(name) in keys)
        self._open_names: set[tuple[str, ...]] = set()  # a program says the same things again and again

    def is_clean(self, fields: Mapping[str, Any]) -> bool:
        """Tell, quickly, whether fields can be written as they are."""
        for value in fields.values():
            kind = type(value)
            if kind is str:
                if len(value) > LIMIT:
                    return False
            elif kind not in _PLAIN:
                return False
        names = tuple(fields)
        return names in self._open_names or self._are_open(names)

    def _are_open(self, names: tuple[str, ...]) -> bool:
        if any(self.is_hidden(name) for name in names):
            return False
        if len(self._open_names) < _MAX_SHAPES:
            self._open_names.add(names)
        return True

    def clean(self, fields: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
        """Return fields that any encoder can write."""
        cleaned: dict[str, Any] = {}
        for name, value in fields.items():
            if len(cleaned) == _MAX_ITEMS:
                cleaned["…"] = f"[cut, {len(fields)} items]"
                break
            key = self.text(name) if isinstance(name, str) else self.text(_describe(name))
            cleaned[key] = MARK if self.is_hidden(key) else self.value(value, depth + 1)
        return cleaned

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a value that any encoder can write."""
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool | float) or (isinstance(value, int) and _is_64_bit(value)):
            return value
        return self._nested(value, depth) if depth < _MAX_DEPTH else "[too deep]"

    def _nested(self, value: Any, depth: int) -> Any:
        if (mapping := _as_mapping(value)) is not None:
            return self.clean(mapping, depth)
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.value(item, depth + 1) for _, item in zip(range(_MAX_ITEMS), value, strict=False)]
            return items if len(value) <= _MAX_ITEMS else [*items, f"[cut, {len(value)} items]"]
        return self.text(_describe(value))

    def text(self, text: str) -> str:
        """Return a text of bounded length that can be encoded."""
        return printable_text(self._secrets.cut(text))


def printable_text(text: str) -> str:
    """Write out lone surrogates, which UTF-8 cannot carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text if type(text) is str else str.__str__(text)


def _is_64_bit(value: int) -> bool:
    return -(1 << 63) <= value < 1 << 64


def _as_mapping(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    try:
        if is_dataclass(value):
            return {field.name: getattr(value, field.name) for field in dataclass_fields(value) if field.repr}
        dumped = value.model_dump() if hasattr(value, "model_dump") else None  # a pydantic model
    except Exception:  # noqa: BLE001 - a strange object must not stop the program that logs it
        return None
    return dumped if isinstance(dumped, Mapping) else None


def _describe(value: Any) -> str:
    try:
        if hasattr(value, "isoformat"):
            return str(value.isoformat())
        return repr(value) if isinstance(value, bytes | bytearray | BaseException) else str(value)
    except Exception:  # noqa: BLE001 - a strange object must not stop the program that logs it
        return f"<unprintable {type(value).__name__}>"


def _normal(key: str) -> str:
    return key.lower().replace("-", "_")
