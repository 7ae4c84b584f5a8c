"""One secret, planted everywhere, searched in everything that was written: every sink at once, end to end."""

import base64
import io
import logging as stdlib
import socket
import threading
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hxp_logging import (
    Background,
    Baggage,
    FileOutput,
    FlightRecorder,
    Logging,
    LoggingOptions,
    Rotation,
    StreamOutput,
    SyslogOutput,
    bind_context,
    correlation,
)
from hxp_logging.otel import OtlpSink
from hxp_logging.reader import read_files
from hxp_logging.structlog import HxpRenderer
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

CANARY = 'kanarie"7f\\3d/and+more=end'
TRACES = (
    "kanarie",
    "and+more",
    "and%2Bmore",
    *(base64.b64encode(b"x" * n + CANARY.encode())[6:18].decode() for n in (0, 1, 2)),
)
HOSTILE = "a\r\nb\x1b[31m\u2028c\x85d\x00e\x7ff\x9bg\u202eh"
FORGED = '\n{"severity_text":"INFO","body":"forged"}\n00:00:00.000 INFO     forged\n'


class SyslogServer:
    """Takes datagrams as they come: a socket keeps few of them, and whoever sends more must wait."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._path)
        self._messages: list[bytes] = []
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def _receive(self) -> None:
        while message := self._socket.recv(1 << 20):
            self._messages.append(message)

    def messages(self) -> list[bytes]:
        """End, and tell what came before."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"", self._path)
        self._thread.join()
        self._socket.close()
        return self._messages


def outputs(folder: Path) -> tuple[Any, ...]:
    return (
        StreamOutput(stream="stdout", format="console"),
        StreamOutput(format="ecs"),
        FileOutput(path=str(folder / "json.log"), rotation=Rotation(size=2000)),
        FileOutput(path=str(folder / "background.log"), background=Background()),
        SyslogOutput(address=str(folder / "syslog"), background=Background()),
    )


def plant(logging: Logging, text: str) -> None:
    """Say a text in every way there is."""
    log = logging.get_logger(f"log.{text}").bind(bound=text)
    with bind_context(tenant=text), correlation(text, None, baggage=Baggage({"a": text})), logging.flight() as flight:
        log.debug(text, in_flight=text)
        flight.keep()
        log.info(text, a=text, **{text: text}, nested=[{text: (text, {text})}], raw=text.encode(), url=quote(text))
        log.info("encoded", b64=base64.b64encode(b"user:" + text.encode()).decode(), password=text, prompt=text)
        log.info("said again", text=text)
        try:
            try:
                raise KeyError(text)  # noqa: TRY301 - what is tested
            except KeyError as error:
                error.add_note(text)
                raise ExceptionGroup(text, [ValueError(text)]) from error
        except ExceptionGroup:
            log.exception(text)
        stdlib.getLogger("lib").warning("%s", text, extra={"x": text})
        warnings.warn(text, stacklevel=1)
        structlog.get_logger(text).error(text, x=text)


@pytest.fixture
def written(tmp_path: Path, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> dict[str, str]:
    """Everything that left, by sink, after the text was planted."""
    syslog = SyslogServer(tmp_path / "syslog")
    options = LoggingOptions(level="INFO", outputs=outputs(tmp_path), recorder=FlightRecorder(), exception_locals=True)
    logging = Logging(options)
    logging.register_secret(CANARY)
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK has no types here
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    undo = logging.install_stdlib()
    structlog.configure(processors=[HxpRenderer(logging)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warnings, "filters", [])
        plant(logging, request.param)
        undo_divert = logging.divert(OtlpSink(provider), "DEBUG")
        plant(logging, request.param)
        undo_divert()
    undo()
    structlog.reset_defaults()
    logging.close()
    assert logging.statistics().lost == 0
    out, err = capfd.readouterr()
    lines = list(read_files(tmp_path / "json.log"))
    assert list(tmp_path.glob("json.log.0*"))
    return {
        "console": out,
        "ecs": err,
        "file": "\n".join(line.raw for line in lines),
        "pretty": "\n".join(line.pretty() for line in lines),
        "background": (tmp_path / "background.log").read_text(),
        "syslog": b"\n".join(syslog.messages()).decode(),
        "otlp": "\n".join(record.to_json() for record in exporter.get_finished_logs()),
    }


@pytest.mark.parametrize("written", [f"before {CANARY} after"], indirect=True)
def test_a_planted_secret_is_in_no_sink(written: dict[str, str]) -> None:
    """L4, L6: in messages, fields, names, tracebacks, third-party records, the flight recorder."""
    for sink, text in written.items():
        assert "[redacted]" in text, sink
        assert text.count("said again") == 1, sink
        for trace in TRACES:
            assert trace not in text, sink


@pytest.mark.parametrize("written", [HOSTILE, FORGED], indirect=True)
def test_no_field_forges_or_splits_a_line(written: dict[str, str]) -> None:
    """L1: CR, LF, ANSI, U+2028 in every place where a text can stand."""
    count = 8
    for sink in ("file", "background", "ecs"):
        assert len(written[sink].strip("\n").splitlines()) == count, sink
        assert all(character.isprintable() for character in written[sink].replace("\n", "")), sink
    for sink in ("console", "pretty"):
        lines = written[sink].strip("\n").splitlines()
        assert len([line for line in lines if not line.startswith("    | ")]) == count
        assert not [line for line in lines if line.startswith(("00:00:00.000 INFO     forged", "{"))]
        assert all(character.isprintable() for line in lines for character in line)
    messages = [message for message in written["syslog"].split("\n") if message]
    assert len(messages) == count
    assert all(message.startswith("<") for message in messages)


def test_a_field_of_ten_megabytes_is_short_in_every_sink(tmp_path: Path) -> None:
    """L2, L3."""
    for style in ("json", "ecs", "console"):
        stream = io.StringIO()
        logging = Logging(LoggingOptions(format=style), stream=stream)
        with correlation("r" * 10_000_000, None):
            logging.get_logger("l" * 10_000_000).info("e" * 10_000_000, a="x" * 10_000_000, b={"k" * 10_000_000: 1})
        wide = {f"k{number}": ["v" * 8000] * 200 for number in range(200)}
        logging.get_logger("x").info("wide", wide=wide)
        assert len(stream.getvalue()) < 700_000
        assert stream.getvalue().count("[cut, 10000000 characters]") == 4
