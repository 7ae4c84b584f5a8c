"""The short way of a plain line: it writes what the long way would, and takes no line that it may not."""

import io
import itertools
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import orjson
import pytest
from hxp_logging import (
    Background,
    FileOutput,
    Lazy,
    Logging,
    LoggingOptions,
    Rotation,
    TraceContext,
    bind_context,
    correlation,
)
from hxp_logging._clean import Cleaner
from hxp_logging._file import FileSink
from hxp_logging._line import JsonLine
from hxp_logging._logger import Channel, Logger
from hxp_logging._secret import Secrets
from hxp_logging._shortcut import Shortcut
from hxp_logging._sink import Door
from hypothesis import example, given
from hypothesis import strategies as st

NOON = 1_763_899_200_000_000_000
SECRET = "correct-horse-battery"
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text("abc -/:") | st.text()
NAMES = st.sampled_from(["a", "path", "password", "prompt", "exc_info", "ä", SECRET, "x\x7f"]) | st.text()
NESTED = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)


class Bench:
    """A logger whose long way is counted."""

    def __init__(self, path: Path, rotation: Rotation | None = None) -> None:
        self.now = NOON
        self.long: list[str] = []
        self.secrets = Secrets()
        self.json = JsonLine({"service.name": "x"}, Cleaner({"password"}, {"prompt"}, self.secrets), self.secrets)
        self.path = path
        self.file = FileSink(str(path), rotation, clock=self.seconds, monotonic=self.seconds)
        self.door = Door(self.file)
        self.shortcut = Shortcut(self.json, self.door, file=self.file, clock=lambda: self.now)
        channel = Channel("x", self)
        channel.follow(self, 0, self.shortcut.way)
        self.log = Logger(channel, {})

    def seconds(self) -> float:
        return self.now / 1e9

    def adopt(self, channel: Channel) -> None: ...

    def emit(self, channel: Channel, level: int, event: str, fields: dict[str, Any]) -> None:
        from hxp_logging._context import CONTEXT  # noqa: PLC0415 - as the long way does

        self.long.append(event)
        context = CONTEXT.get()
        line = self.json(self.seconds(), level, channel.name, event, {**context.fields, **fields}, context)
        try:
            self.door.write_unguarded(line, level)
        except OSError:
            self.door.count_loss()
        else:
            self.door.take_unsaid()
            self.door.written += 1

    def lines(self) -> list[Any]:
        return [orjson.loads(line) for line in self.path.read_bytes().splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path / "log")
    made.log.info("known", a=1)
    made.long.clear()
    return made


def test_the_second_plain_line_takes_it_and_says_the_same(bench: Bench) -> None:
    with correlation("req_1", TraceContext.from_header("00-" + "a" * 32 + "-" + "b" * 16 + "-01")):
        bench.log.info("known", a=2)
    bench.log.info("known", a=3)
    assert bench.long == []
    assert [line["attributes"] for line in bench.lines()] == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert bench.lines()[1]["request_id"] == "req_1"
    assert list(bench.lines()[1].items())[-4:] == [
        ("trace_id", "a" * 32),
        ("span_id", "b" * 16),
        ("trace_flags", "01"),
        ("request_id", "req_1"),
    ]
    assert "request_id" not in bench.lines()[2]
    assert bench.door.written == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"a": [1]},
        {"a": {"b": SECRET}},
        {"a": "{"},
        {"a": "x" * 10_000},
        {"a": "\ud800"},
        {"a": 1 << 70},
        {"a": Lazy(lambda: 1)},
        {"password": "x"},
        {"prompt": "x"},
        {"exc_info": True},
        {"a": "sk-abcdefghijklmnop1234"},
        {"a": SECRET},
    ],
    ids=lambda fields: repr(fields)[:20],
)
def test_what_has_to_be_looked_at_goes_the_long_way(bench: Bench, fields: dict[str, Any]) -> None:
    """L1, L3, L4, L6."""
    bench.secrets.register(SECRET)
    bench.log.info("known", a=1)
    bench.long.clear()
    bench.log.info("known", **fields)
    assert bench.long == ["known"]


@given(
    event=st.sampled_from(["known", "event\n", "{", SECRET]) | st.text(),
    fields=st.dictionaries(NAMES, NESTED, max_size=4),
    bound=st.dictionaries(NAMES, NESTED, max_size=2),
    request=st.none() | st.sampled_from(["req_1", "\x7f\u2028", SECRET]),
    hidden=st.booleans(),
)
@example(event="known", fields={"a": SECRET}, bound={"password": 1, "a": 2}, request="req_1", hidden=True)
def test_it_writes_the_very_bytes_of_the_long_way(
    tmp_path_factory: pytest.TempPathFactory,
    *,
    event: str,
    fields: dict[str, Any],
    bound: dict[str, Any],
    request: str | None,
    hidden: bool,
) -> None:
    bench = Bench(tmp_path_factory.mktemp("short") / "log")
    if hidden:
        bench.secrets.register(SECRET)
    say = bench.log._channel.info
    with bind_context(**bound), correlation(request, None):
        for _ in range(3):
            say(event, dict(fields))
    first, *others = bench.path.read_bytes().splitlines(keepends=True)
    assert others == [first, first]
    assert orjson.loads(first)["timestamp"] == "2025-11-23T12:00:00.000000Z"


def test_text_of_every_language_takes_it_and_forges_nothing(bench: Bench) -> None:
    """L1."""
    for text in ("größer", "更大", "a\u2028b\x7f\x9b\u202e"):
        bench.log.info("known", a=text)
        assert bench.lines()[-1]["attributes"] == {"a": text}
    assert bench.long == []
    assert all(character.isprintable() for character in bench.path.read_text().replace("\n", ""))


@pytest.mark.parametrize("start", [0, 1, 999, 1_000, 99_999_999, 100_000_000, 999_999_999, 10**18, -(10**9)])
def test_the_time_is_that_of_the_clock_whichever_way_it_moves(bench: Bench, start: int) -> None:
    """T1, T3: back by a nanosecond or an hour, forward by a year."""
    for step in (0, 0, -1, 1_000, -3_600_000_000_000, 31_536_000_000_000_000, 0):
        bench.now = NOON + start + step
        bench.log.info("known", a=1)
        told = datetime.fromisoformat(bench.lines()[-1]["timestamp"])
        micros = (told - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert abs(micros - bench.now // 1000) <= 1  # the long way's clock is a float
    assert bench.long


@pytest.mark.parametrize("now", [0, -5 * 10**18, 10**18 - 1, 1 << 63])
def test_a_time_of_another_length_goes_the_long_way(bench: Bench, now: int) -> None:
    """T1."""
    bench.now = now
    for _ in range(3):
        bench.log.info("known", a=1)
    assert bench.long == ["known"] * 3


def test_a_secret_that_is_registered_late_is_hidden_from_the_next_line_on(bench: Bench) -> None:
    """L4: in a field, an event and a request id that took the short way before."""
    event = f"has {SECRET}"
    for _ in range(2):
        with correlation(SECRET, None):
            bench.log.info(event, a=SECRET)
    assert bench.path.read_text().count(SECRET) == 6
    bench.secrets.register(SECRET)
    for _ in range(3):
        with correlation(SECRET, None):
            bench.log.info(event, a=SECRET)
    assert bench.path.read_text().count(SECRET) == 6


def test_a_secret_that_is_registered_while_a_line_is_prepared_is_not_remembered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L4: another thread may register it between two steps."""
    first = f"first {SECRET}"
    make_head, make_tail = bench.json.head, bench.json.tail

    def head(logger: str, level: int, event: str) -> bytes:
        made = make_head(logger, level, event)
        bench.secrets.register(SECRET)
        return made

    def tail(raw: bytes) -> bytes:
        made = make_tail(raw)
        bench.secrets.register(SECRET)
        return made

    monkeypatch.setattr(bench.json, "head", head)
    with correlation(SECRET, None):
        bench.log.info(first, a=1)
    monkeypatch.setattr(bench.json, "tail", tail)
    with correlation(f"2 {SECRET}", None):
        bench.log.info("second", a=1)
    monkeypatch.undo()
    told = len(bench.path.read_bytes())
    for request in (SECRET, f"2 {SECRET}"):
        with correlation(request, None):
            for event in (first, "second"):
                bench.log.info(event, a=1)
    assert SECRET.encode() not in bench.path.read_bytes()[told:]


def test_a_renamed_file_is_noticed_after_a_tenth_of_a_second(bench: Bench) -> None:
    bench.path.rename(bench.path.with_name("old"))
    bench.log.info("known", a=2)
    bench.now += 100_000_000
    bench.log.info("known", a=3)
    assert [line["attributes"]["a"] for line in bench.lines()] == [3]


def test_a_renamed_file_is_noticed_although_the_clock_stands_still(bench: Bench) -> None:
    bench.path.rename(bench.path.with_name("old"))
    for number in range(300):
        bench.log.info("known", a="x" * 8000, number=number)
    assert bench.lines()[-1]["attributes"]["number"] == 299


@pytest.mark.parametrize("call", [FileSink.reopen, FileSink.close])
def test_a_file_that_is_reopened_or_closed_is_looked_for_at_once(
    bench: Bench, call: Callable[[FileSink], None]
) -> None:
    bench.path.rename(bench.path.with_name("old"))
    call(bench.file)
    bench.log.info("known", a=2)
    bench.log.info("known", a=3)
    assert [line["attributes"]["a"] for line in bench.lines()] == [2, 3]
    assert bench.long == ["known"]


def test_a_full_file_is_put_aside_at_the_same_line(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "log", Rotation(size=1000, compress=False))
    for number in range(100):
        bench.log.info("known", number=number)
    bench.file.flush(10.0)
    files = [path for path in tmp_path.iterdir() if path.name.startswith("log")]
    sizes = [path.stat().st_size for path in files if path != bench.path]
    width = len(bench.path.read_bytes().splitlines(keepends=True)[0])
    assert sizes
    assert all(1000 <= size < 1000 + width for size in sizes)


@pytest.mark.parametrize("part", [None, 0, 10])
def test_a_line_that_cannot_be_written_is_lost_and_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, part: int | None
) -> None:
    """D1, D3: an error, nothing at all, or half a line."""
    real = os.write

    def broken(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", real)
        if part is None:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:part])

    monkeypatch.setattr(os, "write", broken)
    bench.log.info("known", a=2)
    assert (bench.door.lost, bench.door.unsaid, bench.long) == (1, 1, [])
    bench.log.info("known", a=3)
    assert bench.long == ["known"]
    assert [line["attributes"]["a"] for line in bench.lines()] == [1, 3]
    assert bench.door.written == 2


def test_a_line_after_a_loss_of_any_kind_goes_the_long_way_that_tells_it(bench: Bench) -> None:
    bench.door.count_loss()
    bench.log.info("known", a=2)
    assert bench.long == ["known"]


def test_a_span_that_opentelemetry_begins_is_seen_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    bench.log.info("known", a=2)
    span = SimpleNamespace(is_valid=True, trace_id=10, span_id=11, trace_flags=1)
    loaded = ModuleType("opentelemetry.trace")
    loaded.get_current_span = lambda: SimpleNamespace(get_span_context=lambda: span)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", loaded)
    bench.log.info("known", a=3)
    assert bench.long == ["known"]
    span.is_valid = False
    bench.log.info("known", a=4)
    with correlation("req_1", TraceContext.new()):
        bench.log.info("known", a=5)
    assert [line.get("span_id", "")[:15] for line in bench.lines()[1:4]] == ["", "0" * 15, ""]
    assert bench.long == ["known"]


def test_events_that_vary_take_no_memory_without_bound(bench: Bench) -> None:
    for event in map(str, range(3000)):
        bench.log.info(event)
    assert sum(len(heads) for heads in bench.shortcut._heads.values()) <= 1024
    bench.log.info("e" * 10_000)
    assert max(len(event) for heads in bench.shortcut._heads.values() for event in heads) < 1000


def test_threads_never_take_each_others_request(tmp_path: Path) -> None:
    path = tmp_path / "log"
    logging = Logging(LoggingOptions(file=str(path)))
    log = logging.get_logger("x")
    ready = threading.Barrier(4)

    def work(name: str) -> None:
        ready.wait()
        for number in range(500):
            with correlation(f"{name}-{number % 7}", None), bind_context(thread=name):
                log.info("known", number=number)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    told = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    wanted = set(itertools.product((f"t{number}" for number in range(4)), range(500)))
    assert {(line["attributes"]["thread"], line["attributes"]["number"]) for line in told} == wanted
    assert len(told) == 2000 == logging.statistics().written
    for line in told:
        fields = line["attributes"]
        assert line["request_id"] == f"{fields['thread']}-{fields['number'] % 7}"


def the_long_way(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the events of lines that go the long way."""
    long: list[str] = []
    real = Logging.emit

    def emit(self: Logging, channel: Channel, level: int, event: str, fields: dict[str, Any]) -> None:
        long.append(event)
        real(self, channel, level, event, fields)

    monkeypatch.setattr(Logging, "emit", emit)
    return long


@pytest.mark.parametrize("way", ["stream", "file", "background"])
def test_a_program_takes_it_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """But not where more than a level decides."""
    long = the_long_way(monkeypatch)
    stream = io.StringIO()
    background = Background() if way == "background" else None
    output = FileOutput(path=str(tmp_path / "log"), background=background)
    logging = Logging(LoggingOptions(format="json", outputs=(output,) if way != "stream" else ()), stream=stream)
    assert logging._shortcut is not None
    logging._shortcut._clock = lambda: NOON  # or the tenth of a second may end between two lines
    monkeypatch.setattr(logging._shortcut._sink, "seconds_to_look", lambda: 1.0)
    logging.set_level("DEBUG")
    log = logging.get_logger("x")
    calls = (log.debug, log.info, log.warning, log.error, log.critical)
    for say in calls * 2:
        say("first")
        say("second")
    assert long == ["first", "second"] * 5
    logging.set_level("DEBUG", request_id="req_1", ttl=60)
    log.info("first")
    assert long[10:] == ["first"]
    logging.close()
    text = stream.getvalue() if way == "stream" else (tmp_path / "log").read_text()
    assert logging.statistics().written == 21 == len(text.splitlines())


def test_a_level_that_another_process_sets_is_followed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that opens a tenth of a second looks for it."""
    long = the_long_way(monkeypatch)
    levels = str(tmp_path / "levels")
    logging = Logging(LoggingOptions(file=str(tmp_path / "log"), levels_file=levels))
    log = logging.get_logger("x")
    assert logging._shortcut is not None
    now = NOON
    monkeypatch.setattr(logging._shortcut, "_clock", lambda: now)
    monkeypatch.setattr(logging._shortcut._sink, "seconds_to_look", lambda: 1.0)
    log.info("first")
    log.info("second")
    log.info("second")
    assert long == ["first", "second"]
    Logging(LoggingOptions(levels_file=levels), stream=io.StringIO()).set_level("ERROR", "x")
    now += 100_000_000
    logging._levels._file._look_at = 0.0  # type: ignore[union-attr]  # or it may have looked a moment ago
    log.info("second")
    log.info("not wanted any more")
    assert long == ["first", "second", "second"]
