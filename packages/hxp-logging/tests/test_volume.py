"""Fewer lines than were said: sampling, collapsing, the flight recorder; and the writer in the background."""

import io
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hxp_logging import Background, FileOutput, FlightRecorder, Logging, LoggingOptions, Sampling, correlation
from hxp_logging._volume import Collapse, Sampler
from hxp_logging._writer import BackgroundWriter, Backlog
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock, **options: Any) -> tuple[Logging, io.StringIO]:
    stream = io.StringIO()
    return Logging(LoggingOptions(format="json", **options), stream=stream, monotonic=clock), stream


def told(stream: io.StringIO) -> list[tuple[Any, Any]]:
    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    return [(line["body"], line["attributes"]) for line in lines]


def test_a_storm_is_sampled_and_what_was_left_out_is_counted() -> None:
    clock = Clock()
    logging, stream = make(clock, sampling=Sampling(first=2, then_one_in=4))
    log = logging.get_logger("x")
    for number in range(10):
        log.info("storm", number=number)
    for _ in range(5):
        log.error("an error is not sampled")
    clock.now += 1
    log.info("calm")
    numbers = [fields["number"] for body, fields in told(stream) if body == "storm"]
    assert numbers == [0, 1, 5, 9]
    assert ("lines were left out", {"event": "storm", "left_out": 6}) in told(stream)
    assert Counter(body for body, _ in told(stream))["an error is not sampled"] == 5
    assert logging.statistics().left_out == 6


def test_what_was_left_out_last_is_told_at_the_end() -> None:
    logging, stream = make(Clock(), sampling=Sampling(first=1, then_one_in=0), collapse=5.0)
    for number in range(3):
        logging.get_logger("x").info("storm", number=number)
    for _ in range(2):
        logging.get_logger("x").error("again")
    logging.close()
    assert told(stream)[2:] == [
        ("lines were left out", {"event": "storm", "left_out": 2}),
        ("repeated once", {"event": "again", "repeated": 1}),
    ]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.4)), max_size=200), st.integers(0, 3), st.integers(0, 4)
)
def test_the_counts_of_a_sampler_are_exact(steps: list[tuple[str, float]], first: int, one_in: int) -> None:
    sampler = Sampler[str](first=first, then_one_in=one_in)
    now, passed, left_out = 0.0, Counter[str](), Counter[str]()
    for key, step in steps:
        now += step
        left_out.update(dict(sampler.ended(now)))
        passed[key] += sampler.admit(key, now)
    left_out.update(dict(sampler.ended(now, force=True)))
    assert passed + left_out == Counter(key for key, _ in steps)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 2)), max_size=100))
def test_the_counts_of_a_collapse_are_exact(steps: list[tuple[str, float]]) -> None:
    collapse = Collapse[str](window=3.0)
    now, passed, repeated = 0.0, Counter[str](), Counter[str]()
    for key, step in steps:
        now += step
        repeated.update(dict(collapse.ended(now)))
        passed[key] += collapse.admit(key, now)
    repeated.update(dict(collapse.ended(now, force=True)))
    assert passed + repeated == Counter(key for key, _ in steps)


def test_many_different_lines_take_no_memory_without_bound() -> None:
    sampler, collapse = Sampler[int](first=1, then_one_in=0), Collapse[int](window=1.0)
    for number in range(5000):
        assert sampler.admit(number, 0.0)
        assert collapse.admit(number, 0.0)
    assert len(sampler._counts) == len(collapse._since) == 4096


def test_equal_lines_become_one_and_a_count() -> None:
    clock = Clock()
    logging, stream = make(clock, collapse=5.0)
    log = logging.get_logger("x")
    for _ in range(4):
        log.warning("cannot connect", host="db", odd=object, lazy={1: 2})
    log.warning("cannot connect", host="other")
    clock.now += 5
    log.info("connected")
    assert [body for body, _ in told(stream)] == ["cannot connect", "cannot connect", "repeated 3 times", "connected"]
    assert told(stream)[2][1] == {"event": "cannot connect", "repeated": 3}


def test_lines_that_cannot_be_compared_are_all_written() -> None:
    logging, stream = make(Clock(), collapse=5.0)
    for _ in range(2):
        logging.get_logger("x").info("odd", text="\ud800", number=10**40)
    assert len(told(stream)) == 2


def test_a_request_that_fails_tells_what_it_said_in_detail() -> None:
    logging, stream = make(Clock(), recorder=FlightRecorder(lines=2))
    log = logging.get_logger("x")
    log.debug("outside of any request")
    with pytest.raises(ValueError, match="boom"), correlation("req_1", None), logging.flight():  # noqa: PT012 - a request
        for number in range(3):
            log.debug("step", number=number)
        raise ValueError("boom")
    assert told(stream) == [("step", {"number": 1}), ("step", {"number": 2})]
    assert stream.getvalue().count('"request_id":"req_1"') == 2


def test_a_request_that_goes_well_tells_nothing() -> None:
    logging, stream = make(Clock(), recorder=FlightRecorder(slow=1.0))
    with logging.flight():
        logging.get_logger("x").debug("step")
    assert told(stream) == []


@pytest.mark.parametrize("how", ["option", "argument", "wish"])
def test_a_request_that_is_slow_or_asked_for_tells_it_too(how: str) -> None:
    clock = Clock()
    logging, stream = make(clock, recorder=FlightRecorder(slow=1.0 if how == "option" else None, level="DEBUG"))
    with logging.flight(slow=2.0 if how == "argument" else None) as flight:
        logging.get_logger("x").debug("step")
        clock.now += 2
        if how == "wish":
            flight.keep()
    assert told(stream) == [("step", {})]


def test_without_a_recorder_a_flight_keeps_nothing() -> None:
    logging, stream = make(Clock())
    with pytest.raises(KeyError), logging.flight():  # noqa: PT012 - a request
        logging.get_logger("x").debug("step")
        raise KeyError
    assert told(stream) == []


class Slow:
    """A sink that waits until it is let go."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.lines: list[bytes] = []
        self.fails = 0
        self.closed = False

    def write(self, line: bytes, level: int, /) -> None:
        self.entered.set()
        self.open.wait(10)
        if self.fails:
            self.fails -= 1
            raise OSError
        self.lines.append(line)

    def flush(self, timeout: float, /) -> None: ...

    def reopen(self) -> None:
        self.lines.append(b"reopened")

    def close(self) -> None:
        self.closed = True


def writer(sink: Slow, capacity: int, timeout: float = 5.0) -> tuple[BackgroundWriter, list[int]]:
    healed: list[int] = []
    made = BackgroundWriter(sink, capacity=capacity, flush_timeout=timeout, on_loss=lambda: None, on_heal=healed.append)
    return made, healed


def test_a_full_backlog_drops_debug_first_and_counts() -> None:
    sink = Slow()
    made, healed = writer(sink, 3)
    made.write(b"first", 20)
    assert sink.entered.wait(10)  # it is taken, and the sink blocks
    for line, level in ((b"d1", 10), (b"i1", 20), (b"d2", 10), (b"e1", 40), (b"e2", 40), (b"d3", 10), (b"i2", 20)):
        made.write(line, level)
    sink.open.set()
    made.close()
    assert sink.lines == [b"first", b"i1", b"e1", b"e2"]
    assert made.dropped == {10: 3, 20: 1, 30: 0, 40: 0, 50: 0}
    assert healed == [4]
    assert sink.closed


def test_a_sink_that_fails_loses_a_line_and_tells_when_it_heals() -> None:
    sink = Slow()
    sink.open.set()
    sink.fails = 2
    made, healed = writer(sink, 10)
    for line in (b"1", b"2"):
        made.write(line, 20)
        made.flush(5)
    assert healed == []
    made.write(b"3", 20)
    made.flush(5)
    assert (sink.lines, healed) == ([b"3"], [2])
    made.reopen()
    made.close()
    made.write(b"4", 20)
    made.close()
    assert sink.lines == [b"3", b"reopened", b"4"]


def test_a_sink_that_blocks_for_ever_delays_closing_no_longer_than_allowed() -> None:
    sink = Slow()
    made, _ = writer(sink, 10, timeout=0.05)
    made.write(b"1", 20)
    made.write(b"2", 20)
    made.close()
    assert sink.lines == []
    sink.open.set()


def test_a_thread_that_cannot_start_writes_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr("threading.Thread.start", refuse)
    sink = Slow()
    sink.open.set()
    made, _ = writer(sink, 10)
    made.write(b"1", 20)
    assert sink.lines == [b"1"]
    made.close()


@given(st.lists(st.tuples(st.sampled_from([10, 20, 30, 40, 50]), st.booleans()), max_size=100), st.integers(1, 8))
def test_a_backlog_keeps_order_and_what_matters_most(steps: list[tuple[int, bool]], capacity: int) -> None:
    backlog = Backlog(capacity)
    waiting: list[tuple[int, bytes]] = []
    for number, (level, take) in enumerate(steps):
        line = b"%d" % number
        dropped = backlog.put(line, level)
        waiting.append((level, line))
        if dropped:
            assert dropped == min(one for one, _ in waiting)
            waiting.remove((level, line) if dropped == level else next(one for one in waiting if one[0] == dropped))
        if take:
            taken, of_level = backlog.take()
            assert (of_level, taken) == waiting.pop(0)
        assert backlog.size == len(waiting) <= capacity


def background(path: Path, capacity: int = 1000) -> LoggingOptions:
    return LoggingOptions(outputs=(FileOutput(path=str(path), background=Background(capacity=capacity)),))


def bodies(path: Path) -> list[Any]:
    return [orjson.loads(line)["body"] for line in path.read_bytes().splitlines()]


def test_lines_leave_in_the_background(tmp_path: Path) -> None:
    logging = Logging(background(tmp_path / "log"))
    for number in range(100):
        logging.get_logger("x").info(f"{number}")
    logging.flush()
    assert bodies(tmp_path / "log") == [str(number) for number in range(100)]
    logging.close()


def test_what_a_background_writer_lost_is_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logging = Logging(background(tmp_path / "log", capacity=2))
    door = logging._door
    sink: Any = door.sink
    slow = Slow()
    inner, sink._sink = sink._sink, slow
    log = logging.get_logger("x")
    log.info("first")
    assert slow.entered.wait(10)
    for number in range(5):
        log.info(f"{number}")  # noqa: G004 - as careless callers do
    slow.open.set()
    logging.flush()
    assert [orjson.loads(line)["body"] for line in slow.lines] == ["first", "0", "1", "log lines were lost"]
    assert orjson.loads(slow.lines[-1])["attributes"] == {"lost": 3}
    assert (logging.statistics().written, logging.statistics().lost) == (4, 3)
    inner.close()
    logging.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # what is tested
def test_a_forked_child_writes_its_own_lines_and_not_its_parents(tmp_path: Path) -> None:
    logging = Logging(background(tmp_path / "log"))
    sink: Any = logging._door.sink
    slow = Slow()
    inner, sink._sink = sink._sink, slow
    logging.get_logger("x").info("parent, taken")
    assert slow.entered.wait(10)
    logging.get_logger("x").info("parent, waiting")
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        sink._sink = inner
        logging.get_logger("x").info("child")
        logging.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    slow.open.set()
    logging.close()
    assert bodies(tmp_path / "log") == ["child"]
    assert len(slow.lines) == 2


@pytest.mark.parametrize("how", ["end", "crash", "sigterm", "thread", "after closing"])
def test_nothing_that_waits_is_lost_at_the_end(tmp_path: Path, how: str) -> None:
    """P2: on exit, on an uncaught exception, and on SIGTERM."""
    code = """if True:
        import os, signal, sys, threading
        from hxp_logging import Background, FileOutput, Logging, LoggingOptions
        path, how = sys.argv[1:]
        logging = Logging(LoggingOptions(outputs=(FileOutput(path=path, background=Background()),)))
        logging.install_hooks()
        for number in range(200):
            logging.get_logger("x").info("line", number=number)
        if how == "crash":
            raise ValueError("boom")
        if how == "thread":
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
        if how == "sigterm":
            os.kill(os.getpid(), signal.SIGTERM)
        if how == "after closing":
            logging.close()
            for number in range(200):
                logging.get_logger("x").info("line", number=number)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "log", how], check=False, capture_output=True, text=True
    )
    told = bodies(tmp_path / "log")
    assert told[:200] == ["line"] * 200
    assert done.returncode == {"crash": 1, "sigterm": -signal.SIGTERM}.get(how, 0), done.stderr
    uncaught = {"crash": ["uncaught exception"], "thread": ["uncaught exception in a thread"]}
    last = {**uncaught, "after closing": ["line"] * 200}.get(how, [])
    assert told[200:] == last
    assert ("Traceback" in done.stderr) == (how in uncaught)
