"""The JSON line, after OpenTelemetry's log data model."""

import re
from typing import TYPE_CHECKING, Any

from orjson import dumps, loads

from ._clean import printable_text
from ._context import trace_context
from ._level import NAMES, SEVERITY_NUMBERS

if TYPE_CHECKING:
    from ._clean import Cleaner, Secrets
    from ._correlation import TraceContext
    from ._options import LoggingOptions
    from ._record import Record

_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029]")  # JSON lets these stand, but terminals and splitters act on them


def correlation_head(request_id: str | None, trace: "TraceContext | None") -> bytes:
    """Encode what every line of a request has in common."""
    fields = {}
    if trace is not None:
        fields = {"trace_id": trace.trace_id, "span_id": trace.span_id, "trace_flags": trace.trace_flags}
    if request_id is not None:
        fields["request_id"] = printable_text(request_id)
    return _members(fields)


class JsonLine:
    """Writes records as JSON; all that a logger's lines have in common is encoded once.

    Args:
        options: Name the service.
    """

    def __init__(self, options: "LoggingOptions", cleaner: "Cleaner", secrets: "Secrets") -> None:
        self._cleaner = cleaner
        self._secrets = secrets
        self._heads: dict[tuple[str, int], bytes] = {}
        resource = {
            "service.name": options.service,
            "service.version": options.version,
            "service.instance.id": options.instance,
            "deployment.environment.name": options.environment,
        }
        self._resource = {name: value for name, value in resource.items() if value is not None}

    def __call__(self, record: "Record") -> bytes:
        """Return the line, with its line break."""
        head = self._heads.get((record.logger, record.level)) or self._make_head(record.logger, record.level)
        context = record.context.head or _span_head()
        try:
            rest = dumps(record.event) + b',"attributes":' + dumps(record.fields)
        except TypeError:  # a lone surrogate, or an integer beyond 64 bits
            rest = b'%b,"attributes":%b' % (
                dumps(self._cleaner.text(record.event)),
                dumps(self._cleaner.clean(record.fields)),
            )
        line = b"".join((b'{"timestamp":"', record.stamp.encode(), b'",', head, context, b'"body":', rest, b"}\n"))
        for secret in self._secrets.encoded:
            if secret in line:
                line = dumps(self._hide(loads(line))) + b"\n"
                break
        if line.isascii() and b"\x7f" not in line:
            return line
        return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line.decode()).encode()

    def _make_head(self, logger: str, level: int) -> bytes:
        head = _members(
            {
                "severity_text": NAMES[level],
                "severity_number": SEVERITY_NUMBERS[level],
                "logger": self._cleaner.text(logger),
                **self._resource,
            }
        )
        if len(self._heads) < 1024:
            self._heads[logger, level] = head
        return head

    def _hide(self, value: Any) -> Any:
        """Replace secrets in what a line holds, not in its bytes, so that it stays JSON."""
        if isinstance(value, dict):
            return {self._secrets.hide(name): self._hide(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._hide(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            shown = self._secrets.hide(str(value))
            return shown if shown != str(value) else value
        return self._secrets.hide(value) if isinstance(value, str) else value


def _span_head() -> bytes:

    trace = trace_context()
    return b"" if trace is None else correlation_head(None, trace)


def _members(fields: dict[str, Any]) -> bytes:
    return dumps(fields)[1:-1] + b"," if fields else b""
