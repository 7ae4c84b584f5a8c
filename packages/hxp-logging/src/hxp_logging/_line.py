"""The JSON line, after OpenTelemetry's log data model."""

import re
import time
from collections.abc import Mapping
from sys import modules
from typing import TYPE_CHECKING, Any

from orjson import OPT_PASSTHROUGH_DATACLASS, OPT_PASSTHROUGH_DATETIME, OPT_PASSTHROUGH_SUBCLASS, dumps, loads

from ._context import span_context
from ._level import NAMES, SEVERITY_NUMBERS
from ._secret import LIMIT, printable_text

if TYPE_CHECKING:
    from ._clean import Cleaner
    from ._context import Context
    from ._correlation import TraceContext
    from ._secret import Secrets

# JSON lets these stand, but terminals, editors and splitters act on them: DEL, C1, line separators, bidi controls.
_UNSAFE = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
PLAIN_ONLY = OPT_PASSTHROUGH_DATACLASS | OPT_PASSTHROUGH_DATETIME | OPT_PASSTHROUGH_SUBCLASS
_MAX_LINE = 1 << 18
_MAX_HEADS = 1024
MAX_EVENT = 256
_EMPTY = len(b"}\n")
_BRACKET, _DELETE = b"[\x7f"  # as numbers


def correlation_tail(request_id: str | None, trace: "TraceContext | None") -> bytes:
    """Encode what every line of a request ends with."""
    fields = {}
    if trace is not None:
        fields = {"trace_id": trace.trace_id, "span_id": trace.span_id, "trace_flags": trace.trace_flags}
    if request_id is not None:
        fields["request_id"] = printable_text(request_id)
    return b",%b\n" % dumps(fields)[1:] if fields else b"}\n"


class JsonLine:
    """Writes what was said as JSON; all that lines have in common is encoded once.

    Args:
        resource: Names the service, under OpenTelemetry's names.
    """

    def __init__(self, resource: Mapping[str, str], cleaner: "Cleaner", secrets: "Secrets") -> None:
        self.cleaner = cleaner
        self._is_open = cleaner.open_names.issuperset
        self.secrets = secrets
        self._resource = dict(resource)
        self._heads: dict[tuple[str, int, str], bytes] = {}
        self._second = (-1.0, b"")
        self._tail = (b"", b"")  # as it is in the context, and as it is written
        secrets.on_change(self.forget)

    def __call__(
        self, now: float, level: int, logger: str, event: str, fields: dict[str, Any], context: "Context"
    ) -> bytes:
        """Return the line, with its line break."""
        try:
            head = self._heads.get((logger, level, event)) or self.head(logger, level, event)
            rest = dumps(fields, None, PLAIN_ONLY)
            plain = (
                len(rest) <= LIMIT
                and rest.rfind(b"{") == 0
                and _BRACKET not in rest  # as a number, which is found five times as fast
                and (self._is_open(fields) or self.cleaner.are_open(fields))
            )
        except Exception:  # noqa: BLE001 - what the encoder does not know, lone surrogates, strange events
            head = self.head(logger, level, event)
            plain = False
        if not plain:
            rest = self._encode(fields)
        if self.secrets.is_suspect(rest):
            rest = dumps(hide_in(loads(rest), self.secrets))
        until, stamp = self._second
        if not until - 1.0 <= now < until:
            stamp = stamp_of(int(now))
            self._second = (int(now) + 1.0, stamp)
        micros = dumps(int(now * 1_000_000.0) + 1_000_000)[-6:]  # the shortest way to six digits
        raw, tail = self._tail
        if raw is not context.tail:
            tail = self.tail(context.tail)
            self._tail = (context.tail, tail)
        if context.trace is None and "opentelemetry.trace" in modules:
            tail = self.tail(correlation_tail(context.request_id, span_context()))
        line = b"".join((stamp, micros, head, rest, tail))
        return line if line.isascii() and _DELETE not in line else safe(line)

    def forget(self) -> None:
        """Encode everything anew: there are other secrets now."""
        self._heads.clear()
        self._tail = (b"", b"")

    def _encode(self, fields: Mapping[str, Any]) -> bytes:
        rest = dumps(self.cleaner.prepare(fields))
        return rest if len(rest) <= _MAX_LINE else dumps({"…": f"[cut, {len(rest)} bytes]"})

    def head(self, logger: str, level: int, event: str) -> bytes:
        """Encode what stands between the time and the fields, and remember it."""
        version = self.secrets.version
        text = self.cleaner.text
        members = {
            "severity_text": NAMES[level],
            "severity_number": SEVERITY_NUMBERS[level],
            "logger": text(logger),
            **self._resource,
            "body": self.cleaner.event(event),
        }
        head = b'Z",%b,"attributes":' % self._hidden(dumps(members))[1:-1]
        if type(event) is str and len(event) <= MAX_EVENT:
            if len(self._heads) >= _MAX_HEADS:  # events that vary: begin anew rather than grow
                self._heads.clear()
            self._heads[logger, level, event] = head
            if version != self.secrets.version:  # a secret was registered meanwhile
                self.forget()
        return head

    def tail(self, raw: bytes) -> bytes:
        """Take secrets out of what a context ends its lines with."""
        return b",%b\n" % self._hidden(b"{%b" % raw[1:-1])[1:] if len(raw) > _EMPTY else raw

    def _hidden(self, encoded: bytes) -> bytes:
        if self.secrets.is_suspect(encoded):
            return dumps(hide_in(loads(encoded), self.secrets))
        return encoded


def stamp_of(second: int) -> bytes:
    """Begin a line, down to the second."""
    return time.strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', time.gmtime(second)).encode()


def safe(line: bytes) -> bytes:
    """Write out what must not stand in a line of text."""
    if line.isascii() and b"\x7f" not in line:
        return line
    return _UNSAFE.sub(lambda match: b"\\u%04x" % ord(match[0].decode()), line)


def hide_in(value: Any, secrets: "Secrets") -> Any:
    """Replace secrets in what a line holds, not in its bytes, so that it stays JSON."""
    if isinstance(value, dict):
        return {secrets.hide(name): hide_in(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [hide_in(item, secrets) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        shown = secrets.hide(str(value))
        return shown if shown != str(value) else value
    return secrets.hide(value) if isinstance(value, str) else value
