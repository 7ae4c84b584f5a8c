"""The JSON line in the names of the Elastic Common Schema (https://www.elastic.co/docs/reference/ecs)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orjson import dumps, loads

from ._context import span_context
from ._level import NAMES
from ._line import hide_in, safe

if TYPE_CHECKING:
    from ._clean import Cleaner
    from ._context import Context
    from ._secret import Secrets

_VERSION = "8.11.0"
_RESOURCE = {
    "service.name": "service.name",
    "service.version": "service.version",
    "service.instance.id": "service.node.name",
    "deployment.environment.name": "service.environment",
}
_ERROR = {
    "exception.type": "error.type",
    "exception.message": "error.message",
    "exception.stacktrace": "error.stack_trace",
}


class EcsLine:
    """Writes what was said for Elastic: a program's own fields are `labels`, which hold no nested values."""

    def __init__(self, resource: Mapping[str, str], cleaner: "Cleaner", secrets: "Secrets") -> None:
        self._cleaner = cleaner
        self._secrets = secrets
        self._resource = {_RESOURCE[name]: value for name, value in resource.items()}

    def __call__(
        self, now: float, level: int, logger: str, event: str, fields: dict[str, Any], context: "Context"
    ) -> bytes:
        """Return the line, with its line break."""
        cleaned = self._cleaner.prepare(fields)
        errors = {_ERROR[name]: cleaned.pop(name) for name in list(cleaned) if name in _ERROR}
        trace = context.trace or span_context()
        document = {
            "@timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "log.level": NAMES[level].lower(),
            "message": self._cleaner.event(event),
            "ecs.version": _VERSION,
            "log.logger": self._cleaner.text(logger),
            **self._resource,
            **({"trace.id": trace.trace_id, "span.id": trace.span_id} if trace else {}),
            **({"http.request.id": self._cleaner.text(context.request_id)} if context.request_id is not None else {}),
            **errors,
            **({"labels": {name: self._label(value) for name, value in cleaned.items()}} if cleaned else {}),
        }
        line = dumps(document) + b"\n"
        if self._secrets.is_suspect(line):
            line = dumps(hide_in(loads(line), self._secrets)) + b"\n"
        return safe(line)

    def _label(self, value: Any) -> Any:
        return dumps(hide_in(value, self._secrets)).decode() if isinstance(value, dict | list) else value
