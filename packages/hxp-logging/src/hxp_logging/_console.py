"""Lines for people: aligned, and coloured on a terminal."""

import re
from typing import TYPE_CHECKING, Any

from orjson import dumps

from ._clean import printable_text
from ._context import trace_context
from ._level import CRITICAL, DEBUG, ERROR, INFO, NAMES, WARNING

if TYPE_CHECKING:
    from ._clean import Secrets
    from ._record import Record

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BARE = re.compile(r"[^\s\"'=\\]+")
_EVENT_WIDTH = 32
_STACK = "exception.stacktrace"
_COLOURS = {DEBUG: "2", INFO: "32", WARNING: "33", ERROR: "31", CRITICAL: "1;31"}


class ConsoleLine:
    """Writes records for people.

    Args:
        colour: Whether the reader is a terminal.
    """

    def __init__(self, secrets: "Secrets", *, colour: bool) -> None:
        self._secrets = secrets
        self._colour = colour

    def __call__(self, record: "Record") -> bytes:
        """Return the line, with its line break; a traceback follows, indented and marked."""
        fields = dict(record.fields)
        stack = fields.pop(_STACK, None)
        trace = record.context.trace or trace_context()
        if record.context.request_id is not None:
            fields["request_id"] = record.context.request_id
        if trace is not None:
            fields["trace_id"] = trace.trace_id
        parts = [
            self._paint("2", record.stamp[11:23]),
            self._paint(_COLOURS[record.level], f"{NAMES[record.level]:<8}"),
            self._safe(record.event).ljust(_EVENT_WIDTH if fields else 0),
            *(f"{self._paint('36', self._safe(name))}={self._value(value)}" for name, value in fields.items()),
            self._paint("2", f"[{self._safe(record.logger)}]"),
        ]
        lines = [" ".join(parts)]
        if isinstance(stack, str):
            lines += [f"    | {self._safe(line)}" for line in self._secrets.hide(stack).rstrip("\n").split("\n")]
        return ("\n".join(lines) + "\n").encode()

    def _value(self, value: Any) -> str:
        text = value if isinstance(value, str) else _json(value)
        if isinstance(value, str) and not _BARE.fullmatch(text):
            text = _json(self._secrets.hide(text))
        return self._safe(text)

    def _safe(self, text: str) -> str:
        """Hide secrets and write out control characters: what was logged starts no line, moves no cursor."""
        text = printable_text(self._secrets.hide(text))
        return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _json(value: Any) -> str:
    try:
        return dumps(value).decode()
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        return str(value)
