"""OpenTelemetry's SDK: our lines as its log records, and our redaction for everybody's; the extra `otel`.

Example:
    >>> from hxp_logging import Logging
    >>> from hxp_logging.otel import RedactingProcessor
    >>> from opentelemetry.sdk._logs import LoggerProvider
    >>> provider = LoggerProvider()
    >>> provider.add_log_record_processor(RedactingProcessor(Logging()))  # before those that export
"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orjson import loads

try:
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
except ModuleNotFoundError as error:  # pragma: no cover - the environment of the tests has every extra
    raise ImportError("OTLP needs the extra otel: pip install 'hxp-logging[otel]'") from error

from ._event import NAME_FIELD
from ._line import hide_in

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadWriteLogRecord

    from ._logging import Logging

__all__ = ["OtlpSink", "RedactingProcessor"]

_EXPORTERS = ("opentelemetry.", "urllib3.")  # what they say about a failed export would be exported next, and so on
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - both ends of the subtraction are UTC


class OtlpSink:
    """Hands JSON lines to a `LoggerProvider`: they are redacted and bounded already.

    Args:
        provider: With the processors and exporters of your choice; `to` makes one for a collector.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        self._provider = provider

    @classmethod
    def to(cls, endpoint: str | None, *, resource: Mapping[str, str], interval: float = 1.0) -> "OtlpSink":
        """Send batches to a collector over OTLP/HTTP, from a thread of the SDK's own, which drops when it is behind."""
        provider = LoggerProvider(resource=Resource.create(dict(resource)), shutdown_on_exit=True)
        exporter = OTLPLogExporter(endpoint=endpoint)
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=interval * 1000))
        return cls(provider)

    def write(self, line: bytes, _level: int, /) -> None:
        """Hand on one line, unless it tells of the export itself."""
        told = loads(line)
        if told["logger"].startswith(_EXPORTERS):
            return
        attributes = told["attributes"]
        if "request_id" in told:
            attributes["request_id"] = told["request_id"]
        record = LogRecord(
            timestamp=_nanoseconds(told["timestamp"]),
            observed_timestamp=time.time_ns(),
            context=_context(told),
            severity_text=told["severity_text"],
            severity_number=SeverityNumber(told["severity_number"]),
            body=told["body"],
            attributes=attributes,
            event_name=attributes.pop(NAME_FIELD, None),
        )
        self._provider.get_logger(told["logger"]).emit(record)

    def flush(self, timeout: float, /) -> None:
        """Wait until the exporters have everything."""
        self._provider.force_flush(int(timeout * 1000))

    def reopen(self) -> None:
        """A broken connection is the exporter's to notice."""

    def close(self) -> None:
        """Export what waits, and end the SDK's thread."""
        self._provider.shutdown()


class RedactingProcessor(LogRecordProcessor):
    """Takes secrets out of OpenTelemetry log records, whoever emitted them; add it before those that export.

    Args:
        logging: Whose keys, shapes and registered secrets.
    """

    def __init__(self, logging: "Logging") -> None:
        self._cleaner = logging.cleaner
        self._secrets = logging.secrets

    def on_emit(self, log_record: "ReadWriteLogRecord") -> None:
        """Replace the body and the attributes by what may be told."""
        record = log_record.log_record
        cleaned = self._cleaner.clean({"body": record.body})
        record.body = hide_in(cleaned["body"], self._secrets)
        attributes = record.attributes
        if attributes:
            hidden = hide_in(self._cleaner.clean(attributes), self._secrets)
            for name in list(attributes):
                del attributes[name]  # type: ignore[attr-defined]  # the SDK's own mapping can be changed
            attributes.update(hidden)  # type: ignore[attr-defined]
        if record.severity_text is not None:
            record.severity_text = self._secrets.hide(record.severity_text)
        if record.event_name is not None:
            record.event_name = self._secrets.hide(record.event_name)

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing waits."""
        return True


def _nanoseconds(stamp: str) -> int:
    elapsed = datetime.fromisoformat(stamp.removesuffix("Z")) - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000_000 + elapsed.microseconds * 1000


def _context(told: Mapping[str, Any]) -> "Context | None":
    if "trace_id" not in told:
        return None
    span = SpanContext(
        int(told["trace_id"], 16),
        int(told["span_id"], 16),
        is_remote=False,
        trace_flags=TraceFlags(int(told["trace_flags"], 16)),
    )
    return set_span_in_context(NonRecordingSpan(span))
