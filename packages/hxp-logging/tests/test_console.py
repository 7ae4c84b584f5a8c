import io
import os
import pty
from collections.abc import Iterator
from typing import TextIO

import pytest
from hxp_logging import Logging, LoggingOptions, TraceContext, correlation


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def say(stream: TextIO, format: str = "auto") -> None:  # noqa: A002 - the option's name
    logging = Logging(LoggingOptions(format=format), stream=stream, clock=lambda: 3661.5)  # type: ignore[arg-type]  # a parameter
    logging.get_logger("till").warning("sold out", item="tea pot", left=0, plain="x")


def test_a_line_for_people_is_aligned() -> None:
    stream = io.StringIO()
    say(stream, "console")
    assert (
        stream.getvalue()
        == '01:01:01.500 WARNING  sold out                         item="tea pot" left=0 plain=x [till]\n'
    )


def test_a_line_without_fields_has_no_gap() -> None:
    stream = io.StringIO()
    Logging(LoggingOptions(format="console"), stream=stream, clock=lambda: 0.0).get_logger("x").info("hi")
    assert stream.getvalue() == "00:00:00.000 INFO     hi [x]\n"


def test_request_and_trace_stand_at_the_end() -> None:
    stream = io.StringIO()
    with correlation("req_1", TraceContext("a" * 32, "b" * 16)):
        say(stream, "console")
    assert f"request_id=req_1 trace_id={'a' * 32} [till]" in stream.getvalue()


def test_what_json_cannot_write_is_written_all_the_same() -> None:
    stream = io.StringIO()
    Logging(LoggingOptions(format="console"), stream=stream).get_logger("x").info("hi", a=10**30, b="a \ud800")
    assert f'a={10**30} b="a \\\\ud800" [x]' in stream.getvalue()


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    say(terminal)
    assert "\x1b[33mWARNING \x1b[0m" in terminal.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_reader_can_refuse_colours(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    terminal = Terminal()
    say(terminal)
    assert "WARNING" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


def test_without_a_terminal_a_line_is_json() -> None:
    stream = io.StringIO()
    say(stream)
    assert stream.getvalue().startswith('{"timestamp"')


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    main, worker = pty.openpty()
    with os.fdopen(worker, "w") as stream:
        yield main, stream
    os.close(main)


def test_a_real_terminal_is_recognised(monkeypatch: pytest.MonkeyPatch, terminal: tuple[int, TextIO]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    main, stream = terminal
    say(stream)
    assert os.read(main, 1000).startswith(b"01:01:01.500 WARNING  sold out")
