"""Reading logs again: what was put aside, what is new, what is wanted, and how it looks."""

import gzip
import io
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hxp_logging import Logging, LoggingOptions, TraceContext, correlation
from hxp_logging.reader import Line, Query, follow_files, parse_line, parse_since, read_files

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def raws(lines: Iterator[Line]) -> list[str]:
    return [line.raw for line in lines]


def test_files_that_were_put_aside_come_first_and_never_twice(tmp_path: Path) -> None:
    """D4: one that was compressed and not yet removed is read once."""
    path = tmp_path / "log"
    path.write_text("5\n6")
    (tmp_path / "log.000003").write_text("4\n")
    (tmp_path / "log.000002").write_text("2\n3\n")
    (tmp_path / "log.000002.gz").write_bytes(gzip.compress(b"2\n3\n"))
    (tmp_path / "log.000001.gz").write_bytes(gzip.compress(b"1\n"))
    (tmp_path / "log.bak").write_text("no\n")
    assert raws(read_files(path)) == ["1", "2", "3", "4", "5", "6"]
    assert raws(read_files(path, with_aside=False)) == ["5", "6"]
    assert raws(read_files(tmp_path / "none")) == []


def json_line(**more: object) -> bytes:
    stream = io.StringIO()
    logging = Logging(LoggingOptions(format="json"), stream=stream, clock=lambda: NOW.timestamp() + 0.5)
    with correlation("req_1", TraceContext("a" * 32, "b" * 16)):
        logging.get_logger("hxp.door").warning("Refused", **more)
    return stream.getvalue().encode()


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        (Query(), True),
        (Query(level="warning"), True),
        (Query(level="ERROR"), False),
        (Query(logger="hxp"), True),
        (Query(logger="hxp.door"), True),
        (Query(logger="hxp.do"), False),
        (Query(request_id="req_1"), True),
        (Query(request_id="req_2"), False),
        (Query(since=NOW), True),
        (Query(since=NOW.replace(hour=13)), False),
        (Query(text="refuSED"), True),
        (Query(text="no key"), True),
        (Query(text="severity"), False),
        (Query(level="INFO", logger="hxp", request_id="req_1", since=NOW, text="key"), True),
    ],
)
def test_only_what_is_wanted_is_read(query: Query, *, fits: bool) -> None:
    assert query.fits(parse_line(json_line(reason="no key"))) == fits


def test_a_line_that_is_not_ours_is_found_by_its_text_alone() -> None:
    for raw in (b"plain text", b"[1]", b"{"):
        line = parse_line(raw)
        assert line.told is None
        assert Query(text=raw.decode()[:3]).fits(line)
        assert not Query(level="DEBUG").fits(line)
        assert line.pretty() == raw.decode()
    assert parse_line(b"a\x1b[2J\x7f\r\n").pretty() == "a\\u001b[2J\\u007f"
    assert parse_line(b'{"a":1}').pretty() == '{"a":1}'


def test_a_line_is_made_pleasant() -> None:
    line = parse_line(json_line(a=1, exc_info=ValueError("boom")))
    first, *stack = line.pretty().splitlines()
    assert first.startswith("12:00:00.500 WARNING  Refused ")
    assert f"a=1 exception.type=ValueError exception.message=boom request_id=req_1 trace_id={'a' * 32}" in first
    assert stack == ["    | ValueError: boom"]
    assert "\x1b[33m" in line.pretty(colour=True)
    assert parse_line(b'{"severity_text":"INFO","timestamp":"x","attributes":3}').pretty().startswith("00:00:00.000")


def test_ecs_is_read_as_well() -> None:
    stream = io.StringIO()
    log = Logging(LoggingOptions(format="ecs"), stream=stream, clock=NOW.timestamp).get_logger("hxp.door")
    with correlation("req_1", None):
        log.error("failed", a=1, exc_info=ValueError("boom"))
    line = parse_line(stream.getvalue().encode())
    assert Query(level="ERROR", logger="hxp", request_id="req_1", since=NOW, text="boom").fits(line)
    assert "failed" in line.pretty()
    assert "    | ValueError: boom" in line.pretty()


def test_what_is_appended_is_followed_across_rotations(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    seen: list[str] = []
    steps: list[object] = []

    def sleep(_: float) -> None:
        step = steps.pop(0)
        if callable(step):
            step()

    def append(text: str, name: str = "log") -> object:
        def run() -> None:
            with (tmp_path / name).open("a") as file:
                file.write(text)

        return run

    steps += [
        append("one\nhal"),
        append("f\n"),
        lambda: path.rename(tmp_path / "log.000001"),
        append("late\n", "log.000001"),
        append("two\n"),
        append("later\n", "log.000001"),
        lambda: path.write_text(""),
        append("3\n"),
        append("", "log"),
        append("", "log"),
        append("", "log"),
    ]
    for line in follow_files(path, Query(), sleep=sleep):
        if line is not None:
            seen.append(line.raw)
        elif not steps:
            break
    assert seen == ["one", "half", "late", "two", "later", "3"]


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = follow_files(path, Query(text="o"), sleep=lambda _: None)
    assert next(lines) is None
    path.write_text("one\nnext\ntwo\n")
    assert [line.raw for line in (next(lines), next(lines)) if line] == ["one", "two"]
    assert next(lines) is None


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("2h", 2), ("1.5h", 1.5), ("1d", 24), ("3600s", 1), ("2026-11-23T10:00:00", 2)]
)
def test_a_moment_is_read(text: str, hours: float) -> None:
    assert (NOW - parse_since(text, now=NOW)).total_seconds() == hours * 3600


def test_a_moment_with_a_zone_keeps_it_and_nonsense_is_refused() -> None:
    assert parse_since("2026-11-23T12:00:00+02:00", now=NOW) == NOW.replace(hour=10)
    with pytest.raises(ValueError, match="'yesterday' is no moment: use 90s, 15m"):
        parse_since("yesterday", now=NOW)
    with pytest.raises(ValueError, match="unknown level"):
        Query(level="LOUD")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"@timestamp":"2026-11-23T12:00:00Z","labels":"none","log.level":"info"}',
        b'{"timestamp":"0001-01-01T00:00:00","severity_text":"INFO","attributes":[1]}',
        b'{"timestamp":"9999-12-31T23:59:59","severity_text":"INFO","request_id":5,"trace_id":1,"span_id":"x"}',
        b'{"timestamp":5,"severity_text":"INFO","logger":[],"body":{},"attributes":{"exception.stacktrace":5}}',
        b'{"severity_text":["INFO"]}',
        b"[]",
        b"\xff\x00{",
    ],
)
def test_a_strange_line_is_shown_as_well(raw: bytes) -> None:
    """Others may write to a file too."""
    line = parse_line(raw)
    assert line.pretty(colour=True)
    assert isinstance(line.said, str)
    assert not Query(level="ERROR", logger="x", request_id="y", since=NOW, text="z").fits(line)


def test_a_file_that_vanishes_while_it_is_followed_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    lines = follow_files(path, sleep=lambda _: None)
    assert next(lines) is None
    looks = itertools.count()
    real = Path.stat

    def stat(self: Path, **options: Any) -> Any:
        if self == path and next(looks) == 1:  # right after the first look
            path.unlink()
        return real(self, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert next(lines) is None
    assert next(lines) is None
    path.write_text("new\n")
    found = next(lines)
    assert found is not None
    assert found.raw == "new"
