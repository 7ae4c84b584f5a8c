"""Streams, files, syslog, ECS and several outputs at once."""

import io
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
from hxp_logging import (
    Background,
    FileOutput,
    Logging,
    LoggingOptions,
    StreamOutput,
    SyslogOutput,
    TraceContext,
    correlation,
)
from hxp_logging._syslog import SyslogSink

TRACE = TraceContext("a" * 32, "b" * 16, "01")


def test_ecs_has_elastics_names() -> None:
    stream = io.StringIO()
    options = LoggingOptions(format="ecs", service="shop", version="1", instance="i", environment="test")
    log = Logging(options, stream=stream, clock=lambda: 1.5).get_logger("till")
    with correlation("req_1", TRACE):
        log.warning("sold", pieces=3, nested={"a": [1]})
    log.error("failed", exc_info=ValueError("boom"))
    log.info("bare \u2028")
    first, second, third = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert first == {
        "@timestamp": "1970-01-01T00:00:01.500000Z",
        "log.level": "warning",
        "message": "sold",
        "ecs.version": "8.11.0",
        "log.logger": "till",
        "service.name": "shop",
        "service.version": "1",
        "service.node.name": "i",
        "service.environment": "test",
        "trace.id": "a" * 32,
        "span.id": "b" * 16,
        "http.request.id": "req_1",
        "labels": {"pieces": 3, "nested": '{"a":[1]}'},
    }
    assert (second["error.type"], second["error.message"]) == ("ValueError", "boom")
    assert second["error.stack_trace"].startswith("ValueError: boom")
    assert "labels" not in third


def test_several_outputs_each_with_its_format_and_level(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logging = Logging(
        LoggingOptions(
            level="DEBUG",
            outputs=(
                StreamOutput(stream="stdout", format="console", level="WARNING"),
                StreamOutput(format="ecs"),
                FileOutput(path=str(tmp_path / "log"), background=Background()),
            ),
        )
    )
    logging.get_logger("x").info("one")
    logging.get_logger("x").error("two")
    logging.close()
    out, err = capfd.readouterr()
    assert ("one" in out, "two" in out) == (False, True)
    assert err.count('"ecs.version"') == 2
    assert (tmp_path / "log").read_text().count("body") == 2
    assert logging.statistics().written == 5


def test_one_output_that_fails_leaves_the_others_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """D1, D2."""
    (tmp_path / "file").write_text("")
    broken = str(tmp_path / "file" / "log")
    logging = Logging(LoggingOptions(outputs=(FileOutput(path=broken), StreamOutput(format="json"))))
    log = logging.get_logger("x")
    log.info("one")
    (tmp_path / "file").unlink()
    log.info("two")
    assert capfd.readouterr().err.count("\n") == 2
    assert [orjson.loads(line)["body"] for line in Path(broken).read_bytes().splitlines()] == [
        "two",
        "log lines were lost",
    ]
    assert logging.statistics().lost == 1


def test_a_loss_that_cannot_be_told_is_told_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logging = Logging(LoggingOptions(file=str(tmp_path / "log")))
    door = logging._door
    real, fail = door.write_unguarded, iter([True, False, True, False, False])

    def sometimes(line: bytes, level: int, /) -> None:
        if next(fail):
            raise OSError
        real(line, level)

    door.write_unguarded = sometimes
    for body in ("lost", "written", "written"):
        logging.get_logger("x").info(body)
    told = [orjson.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [line["body"] for line in told] == ["written", "written", "log lines were lost"]
    assert told[-1]["attributes"] == {"lost": 2}


def test_syslog_over_a_unix_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5424."""
    monkeypatch.setattr(socket, "gethostname", lambda: "my host")
    path = str(tmp_path / "log.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        output = SyslogOutput(address=path, app_name="shop")
        logging = Logging(LoggingOptions(outputs=(output,)), clock=lambda: 1.25)
        logging.get_logger("x").warning("hello")
        head, _, body = server.recv(65536).partition(b" - - ")
        logging.close()
    assert head.split()[:4] == [b"<132>1", b"1970-01-01T00:00:01.250000Z", b"myhost", b"shop"]
    assert orjson.loads(body)["body"] == "hello"


def test_syslog_over_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        sink = SyslogSink(f"udp://127.0.0.1:{server.getsockname()[1]}", facility=1)
        sink.write(b"hello\n", 50)
        sink.flush(1)
        sink.reopen()
        assert server.recv(65536).startswith(b"<10>1 ")
        sink.close()
        sink.close()


def test_syslog_over_tcp_counts_octets_and_connects_anew() -> None:
    """RFC 6587."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        sink = SyslogSink(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        for line in (b"one\n", b"two\n"):
            sink.write(line, 20)
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as reader:
                count = int(b"".join(iter(lambda reader=reader: reader.read(1), b" ")))  # type: ignore[misc]
                assert reader.read(count).endswith(b" - - " + line.strip())
            sink.close()


def test_a_syslog_that_is_not_there_loses_lines_and_nothing_else(tmp_path: Path) -> None:
    path = str(tmp_path / "log.sock")
    logging = Logging(LoggingOptions(outputs=(SyslogOutput(address=path),)))
    logging.get_logger("x").info("lost")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        logging.get_logger("x").info("kept")
        assert b"kept" in server.recv(65536)
        assert b'"lost":1' in server.recv(65536)
        logging.close()


def test_hooks_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = (sys.excepthook, threading.excepthook, signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP))
    logging = Logging(LoggingOptions(format="json"), stream=io.StringIO())
    undo = logging.install_hooks()
    assert sys.excepthook != before[0]
    undo()
    undo()
    after = (sys.excepthook, threading.excepthook, signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP))
    assert after == before


def test_hooks_that_somebody_replaced_since_are_left_alone() -> None:
    before = (sys.excepthook, threading.excepthook, signal.getsignal(signal.SIGTERM))
    undo = Logging(LoggingOptions(format="json"), stream=io.StringIO()).install_hooks()
    mine: Any = lambda *_: None  # noqa: E731 - three hooks at once
    sys.excepthook = threading.excepthook = mine
    signal.signal(signal.SIGTERM, mine)
    try:
        undo()
        assert (sys.excepthook, threading.excepthook, signal.getsignal(signal.SIGTERM)) == (mine, mine, mine)
    finally:
        sys.excepthook, threading.excepthook = before[:2]
        signal.signal(signal.SIGTERM, before[2])


def test_hooks_call_those_that_were_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SIGHUP opens files again; SIGTERM flushes; then it is the turn of who was there before."""
    called: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *_: called.append("uncaught"))
    monkeypatch.setattr(threading, "excepthook", lambda *_: called.append("thread"))
    before = {number: signal.signal(number, lambda *_: called.append("signal")) for number in (1, 15)}
    logging = Logging(LoggingOptions(file=str(tmp_path / "log")))
    undo = logging.install_hooks()
    try:
        logging.get_logger("x").info("one")
        (tmp_path / "log").rename(tmp_path / "old")
        signal.raise_signal(signal.SIGHUP)
        logging.get_logger("x").info("two")
        signal.raise_signal(signal.SIGTERM)
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
        threading.excepthook(threading.ExceptHookArgs((ValueError, ValueError("boom"), None, None)))
        threading.excepthook(threading.ExceptHookArgs((SystemExit, SystemExit(), None, None)))
    finally:
        undo()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert called == ["signal", "signal", "uncaught", "thread", "thread"]
    told = [orjson.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [line["body"] for line in told] == ["two", "uncaught exception in a thread"]


def test_a_signal_that_is_ignored_stays_ignored_and_other_threads_handle_none() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        Logging(LoggingOptions(format="json"), stream=io.StringIO()).install_hooks()()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    undo: list[Any] = []
    terminate = signal.getsignal(signal.SIGTERM)
    logging = Logging(LoggingOptions(format="json"), stream=io.StringIO())
    thread = threading.Thread(target=lambda: undo.append(logging.install_hooks()))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == terminate
    undo[0]()


def test_sighup_without_a_handler_of_its_own_only_reopens(tmp_path: Path) -> None:
    logging = Logging(LoggingOptions(file=str(tmp_path / "log")))
    undo = logging.install_hooks()
    signal.raise_signal(signal.SIGHUP)
    undo()
    logging.get_logger("x").info("alive")
    assert b"alive" in (tmp_path / "log").read_bytes()


def test_streams_open_nothing_and_so_close_and_reopen_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    for logging in (Logging(), Logging(stream=io.StringIO())):
        logging.reopen()
        logging.close()
        logging.get_logger("x").info("goes on")
    assert "goes on" in capfd.readouterr().err
