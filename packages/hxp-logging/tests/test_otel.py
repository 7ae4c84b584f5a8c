"""OpenTelemetry's SDK: our lines at a real collector's socket, and our redaction in its records."""

import io
import logging as stdlib
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hxp_logging import Logging, LoggingOptions, OtlpOutput, TraceContext, correlation
from hxp_logging.otel import OtlpSink, RedactingProcessor
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

TRACE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "01")


class Collector(HTTPServer):
    """Takes OTLP over HTTP on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[ExportLogsServiceRequest] = []
        self.bodies: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = zlib.decompress(body, 31)
        assert isinstance(self.server, Collector)
        self.server.bodies.append(body)
        self.server.requests.append(ExportLogsServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_lines_reach_a_collector(collector: Collector) -> None:
    """L4: and no secret does."""
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/logs"
    logging = Logging(LoggingOptions(service="shop", outputs=(OtlpOutput(endpoint=endpoint),)), clock=lambda: 1.5)
    logging.register_secret("canary-secret")
    log = logging.get_logger("till")
    with correlation("req_1", TRACE):
        log.warning("sold", pieces=3, price=2.5, tags=["a", "b"], nested={"deep": {"x": True}}, password="hunter2")
    log.info("with canary-secret", **{"event.name": "shop.opened"}, gift=None)
    logging.flush()
    logging.reopen()
    logging.close()
    [resource] = [one for request in collector.requests for one in request.resource_logs]
    assert ("service.name", "shop") in [(pair.key, pair.value.string_value) for pair in resource.resource.attributes]
    records = {scope.log_records[0].body.string_value: (scope.scope.name, record)
               for scope in resource.scope_logs for record in scope.log_records}  # fmt: skip
    by_body = {r.body.string_value: r for scope in resource.scope_logs for r in scope.log_records}
    sold, opened = by_body["sold"], by_body["with [redacted]"]
    assert next(iter(records.values()))[0] == "till"
    assert (sold.time_unix_nano, sold.severity_number, sold.severity_text) == (1_500_000_000, 13, "WARNING")
    assert (sold.trace_id.hex(), sold.span_id.hex(), sold.flags) == (TRACE.trace_id, TRACE.span_id, 1)
    attributes = {pair.key: pair.value for pair in sold.attributes}
    assert attributes["pieces"].int_value == 3
    assert attributes["nested"].kvlist_value.values[0].key == "deep"
    assert attributes["request_id"].string_value == "req_1"
    assert (opened.event_name, opened.trace_id) == ("shop.opened", b"")
    for body in collector.bodies:
        assert b"canary" not in body
        assert b"hunter2" not in body


def exported(*processors: Any) -> tuple[LoggerProvider, InMemoryLogRecordExporter]:
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK has no types here
    provider = LoggerProvider(shutdown_on_exit=False)
    for processor in (*processors, SimpleLogRecordProcessor(exporter)):
        provider.add_log_record_processor(processor)
    return provider, exporter


def test_records_that_others_emit_are_redacted() -> None:
    """L4, L6: as FastAPI does, past the standard library's logging."""
    logging = Logging(LoggingOptions(), stream=io.StringIO())
    logging.register_secret("canary-secret")
    provider, exporter = exported(RedactingProcessor(logging))
    logger = provider.get_logger("fastapi")
    logger.emit(
        LogRecord(
            body={"url": "http://me:canary-secret@x/", "list": ["sk-abcdefghijklmnop1234"]},
            severity_text="canary-secret",
            severity_number=SeverityNumber.ERROR,
            event_name="event canary-secret",
            attributes={
                "password": "hunter2",
                "prompt": "my private life",
                "exception.stacktrace": "Traceback: canary-secret",
                "canary-secret": 1,
                "plain": 2,
            },
        )
    )
    logger.emit(LogRecord(body="without anything"))
    first, second = exporter.get_finished_logs()
    told = f"{first.log_record.body!r} {dict(first.log_record.attributes or {})} {first.log_record.event_name}"
    for hidden in ("canary", "hunter2", "private", "sk-abc"):
        assert hidden not in told
    assert (first.log_record.attributes or {})["plain"] == 2
    assert first.log_record.severity_text == "[redacted]"
    assert second.log_record.body == "without anything"
    assert provider.force_flush()
    provider.shutdown()


def test_records_of_opentelemetrys_own_handler_are_redacted() -> None:
    """L4: its instrumentation of the standard library's logging."""
    logging = Logging(LoggingOptions(), stream=io.StringIO())
    logging.register_secret("canary-secret")
    provider, exporter = exported(RedactingProcessor(logging))
    logger = stdlib.Logger("lib")  # noqa: LOG001 - one that nobody else sees
    logger.addHandler(LoggingHandler(logger_provider=provider))
    try:
        raise ValueError("canary-secret")  # noqa: TRY301 - what is tested
    except ValueError:
        logger.exception("with %s", "canary-secret", extra={"token": "hunter2"})
    [record] = exporter.get_finished_logs()
    told = f"{record.log_record.body!r} {dict(record.log_record.attributes or {})}"
    assert "with [redacted]" in told
    assert "canary" not in told
    assert "hunter2" not in told


def test_a_provider_of_your_own_can_take_our_lines() -> None:
    provider, exporter = exported()
    logging = Logging(LoggingOptions(format="json"), stream=io.StringIO())
    undo = logging.divert(OtlpSink(provider), "DEBUG")
    logging.get_logger("opentelemetry.exporter.otlp").error("would be exported next, and so on")
    logging.get_logger("x").debug("hello", a=1)
    undo()
    [record] = exporter.get_finished_logs()
    assert (record.log_record.body, dict(record.log_record.attributes or {})) == ("hello", {"a": 1})
    assert record.log_record.severity_number == SeverityNumber.DEBUG
