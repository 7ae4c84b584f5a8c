"""Values made fit for a line: short, printable, and without what their name gives away."""

from collections.abc import Iterable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from ._secret import Secrets, printable_text, unprintable
from ._secret_name import names_secret
from ._shape import MARK

CONTENT_MARK = "[content off]"
_MAX_DEPTH = 8
_MAX_ITEMS = 256
_MAX_TOTAL = 4096
_MAX_CHARACTERS = 1 << 18
_MAX_NAMES = 4096
_EXCEPTION = "exc_info"


class Lazy:
    """A field's value that is computed only if the line is written.

    Args:
        compute: Returns the value.

    Example:
        >>> from hxp_logging import get_logger
        >>> get_logger("shop").debug("stock", items=Lazy(lambda: sorted({"tea", "cup"})))
    """

    __slots__ = ("compute",)

    def __init__(self, compute: Any) -> None:
        self.compute = compute


class Cleaner:
    """Makes fields fit for a line.

    Args:
        redact_keys: Names whose value is a secret.
        content_keys: Names whose value is what people wrote to a model, or it to them.
        secrets: What to hide in texts before they are cut.
        by_words: Whether a name whose words tell of a secret is one of those, too.
        show_locals: Whether an exception is told with the values of local variables.
    """

    def __init__(
        self,
        redact_keys: Iterable[str],
        content_keys: Iterable[str],
        secrets: Secrets,
        *,
        by_words: bool = False,
        show_locals: bool = False,
    ) -> None:
        marks = {_normal(key): CONTENT_MARK for key in content_keys} | {_normal(key): MARK for key in redact_keys}

        def mark_of(name: str) -> str | None:
            return marks.get(_normal(name)) or (MARK if by_words and names_secret(name) else None)

        self.mark_of = lru_cache(maxsize=_MAX_NAMES)(mark_of)
        self._secrets = secrets
        self._show_locals = show_locals
        self.open_names: set[str] = set()  # a program uses the same names again and again

    def are_open(self, names: Iterable[str]) -> bool:
        """Tell whether fields of these names may be written as they are, and remember it."""
        names = [name for name in names if name not in self.open_names]
        if any(name == _EXCEPTION or self.mark_of(name) is not None for name in names):
            return False
        if len(self.open_names) < _MAX_NAMES:
            self.open_names.update(names)
        return True

    def prepare(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return fields that any encoder can write; `exc_info` becomes the description of an exception."""
        if _EXCEPTION not in fields:
            return self.clean(fields)
        import sys  # noqa: PLC0415 - few lines carry an exception

        from ._exception import exception_fields  # noqa: PLC0415

        rest = dict(fields)
        error = rest.pop(_EXCEPTION)
        if error is True:
            error = sys.exception()
        elif isinstance(error, tuple) and len(error) == 3:  # as `sys.exc_info()` returns it
            error = error[1]
        cleaned = self.clean(rest)
        if isinstance(error, BaseException):
            cleaned |= exception_fields(error, self, self._secrets, show_locals=self._show_locals)
        return cleaned

    def clean(self, fields: Mapping[Any, Any]) -> dict[str, Any]:
        """Return fields that any encoder can write."""
        return _Walk(self).mapping(fields, 0)

    def event(self, event: object) -> str:
        """Return what an event says, whatever it is."""
        return self.text(event if type(event) is str else _describe(event))

    def text(self, text: str) -> str:
        """Return a text of bounded length that can be encoded."""
        return printable_text(self._secrets.cut(text))


class _Walk:
    """One walk through nested values, bounded in depth, width and total."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._left = _MAX_TOTAL
        self._room = _MAX_CHARACTERS

    def text(self, text: str) -> str:
        if self._room <= 0:
            return f"[cut, {len(text)} characters]"
        cut = self._cleaner.text(text)
        self._room -= len(cut)
        return cut

    def mapping(self, fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for name, value in fields.items():
            if len(cleaned) == _MAX_ITEMS or self._left <= 0:
                cleaned["…"] = f"[cut, {len(fields)} items]"
                break
            self._left -= 1
            key = self.text(_name_of(name))
            mark = self._cleaner.mark_of(key)
            cleaned[key] = self.value(value, depth + 1) if mark is None else mark
        return cleaned

    def value(self, value: Any, depth: int) -> Any:
        try:
            return self._told(value, depth)
        except Exception:  # noqa: BLE001 - a strange object must not cost the line that tells of it
            return unprintable(value)

    def _told(self, value: Any, depth: int) -> Any:
        if isinstance(value, Lazy):
            value = _compute(value)
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool) or (isinstance(value, int) and _is_64_bit(value)):
            return value
        if isinstance(value, float):
            return float(value)  # NumPy's is a subclass, which the encoder refuses
        return self._nested(value, depth) if depth < _MAX_DEPTH else "[too deep]"

    def _nested(self, value: Any, depth: int) -> Any:
        if (mapping := _as_mapping(value)) is not None:
            return self.mapping(mapping, depth)
        if isinstance(value, list | tuple | set | frozenset):
            if mark := self._mark_of_pair(value):
                return [self.value(value[0], depth + 1), mark]  # type: ignore[index]  # a pair is a sequence
            room = min(_MAX_ITEMS, max(self._left, 0))
            self._left -= min(len(value), room)
            items = [self.value(item, depth + 1) for _, item in zip(range(room), value, strict=False)]
            return items if len(value) <= room else [*items, f"[cut, {len(value)} items]"]
        return self.text(_describe(value))

    def _mark_of_pair(self, value: Any) -> str | None:
        """Headers come as pairs: the first item is the name of the second."""
        if not (isinstance(value, list | tuple) and len(value) == 2 and issubclass(type(value[0]), str | bytes)):
            return None
        return self._cleaner.mark_of(_name_of(value[0]))


def _compute(lazy: Lazy) -> Any:
    try:
        return lazy.compute()
    except Exception as error:  # noqa: BLE001 - what is only for the log must not stop the program
        return f"<{type(error).__name__} while this was computed>"


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
        if isinstance(value, str):
            return str.__str__(value)
        if hasattr(value, "isoformat"):
            return str(value.isoformat())
        if isinstance(value, int):
            return hex(value)[:_MAX_NAMES] if value.bit_length() > 10_000 else str(value)  # str refuses huge ones
        return repr(value) if isinstance(value, bytes | bytearray | BaseException) else str(value)
    except Exception:  # noqa: BLE001 - a strange object must not stop the program that logs it
        return unprintable(value)


def _name_of(name: Any) -> str:
    """Return a name as text; names of headers are bytes, and one that is a secret's must be known as such."""
    return name.decode("latin-1") if isinstance(name, bytes) else _describe(name)


def _normal(key: str) -> str:
    return key.lower().replace("-", "_")
