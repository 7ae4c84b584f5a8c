"""Lines for people: aligned, and coloured on a terminal."""

import re
import time
from typing import TYPE_CHECKING, Any

from orjson import dumps

from ._context import span_context
from ._level import CRITICAL, DEBUG, ERROR, INFO, NAMES, WARNING
from ._line import hide_in
from ._secret import printable_text

if TYPE_CHECKING:
    from ._clean import Cleaner
    from ._context import Context
    from ._secret import Secrets

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BARE = re.compile(r"[^\s\"'=\\]+")
_EVENT_WIDTH = 32
_STACK = "exception.stacktrace"
_TOLD_BY_STACK = ("exception.chain", "exception.group", "exception.notes")
_COLOURS = {DEBUG: "2", INFO: "32", WARNING: "33", ERROR: "31", CRITICAL: "1;31"}


class ConsoleLine:
    """Writes what was said for people.

    Args:
        colour: Whether the reader is a terminal.
    """

    def __init__(self, cleaner: "Cleaner", secrets: "Secrets", *, colour: bool) -> None:
        self._cleaner = cleaner
        self._secrets = secrets
        self._colour = colour

    def __call__(
        self, now: float, level: int, logger: str, event: str, fields: dict[str, Any], context: "Context"
    ) -> bytes:
        """Return the line, with its line break; a traceback follows, indented and marked."""
        fields = self._cleaner.prepare(fields)
        stack = fields.pop(_STACK, None)
        for name in _TOLD_BY_STACK if stack is not None else ():
            fields.pop(name, None)
        trace = context.trace or span_context()
        if context.request_id is not None:
            fields["request_id"] = context.request_id
        if trace is not None:
            fields["trace_id"] = trace.trace_id
        stamp = time.strftime("%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}"
        parts = [
            self._paint("2", stamp),
            self._paint(_COLOURS[level], f"{NAMES[level]:<8}"),
            self._safe(self._cleaner.event(event)).ljust(_EVENT_WIDTH if fields else 0),
            *(f"{self._paint('36', self._safe(name))}={self._value(value)}" for name, value in fields.items()),
            self._paint("2", f"[{self._safe(self._cleaner.text(logger))}]"),
        ]
        lines = [" ".join(parts)]
        if isinstance(stack, str):
            lines += [f"    | {self._safe(line)}" for line in self._secrets.hide(stack).rstrip("\n").split("\n")]
        return ("\n".join(lines) + "\n").encode()

    def _value(self, value: Any) -> str:
        if isinstance(value, str) and _BARE.fullmatch(value):
            return self._safe(value)
        return self._safe(dumps(hide_in(value, self._secrets)).decode())

    def _safe(self, text: str) -> str:
        """Hide secrets and write out control characters: what was logged starts no line, moves no cursor."""
        text = printable_text(self._secrets.hide(text))
        return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
