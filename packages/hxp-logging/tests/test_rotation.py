"""One process, an injected clock: when files are put aside, which are kept, and what goes wrong without harm."""

import fcntl
import gc
import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from hxp_logging import Logging, LoggingOptions, Rotation
from hxp_logging._archive import Archive
from hxp_logging._file import FileSink
from hxp_logging._rotation import Aside, is_due, next_name, period_of, surplus
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def make(path: Path, rotation: Rotation, wall: Clock, ticks: Clock) -> FileSink:
    return FileSink(str(path), rotation, clock=wall, monotonic=ticks)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))


def everything(folder: Path) -> list[bytes]:
    """All lines of all files, those put aside first."""
    aside = [name for name in names(folder) if name != "log"]
    found = []
    for name in [*aside, "log"]:
        data = (folder / name).read_bytes()
        found += (gzip.decompress(data) if name.endswith(".gz") else data).splitlines()
    return found


def test_a_full_file_is_put_aside_and_compressed(tmp_path: Path) -> None:
    sink = make(tmp_path / "log", Rotation(size=100), Clock(), Clock())
    lines = [b"%030d\n" % number for number in range(10)]
    for line in lines:
        sink.write(line, 20)
    sink.flush(5)
    assert names(tmp_path) == ["log", "log.000001.gz", "log.000002.gz"]
    assert everything(tmp_path) == [line.strip() for line in lines]
    assert (tmp_path / "log.000001.gz").stat().st_mode & 0o777 == 0o640


def test_a_line_is_never_put_aside_in_an_empty_file(tmp_path: Path) -> None:
    sink = make(tmp_path / "log", Rotation(size=1, compress=False), Clock(), Clock())
    for _ in range(3):
        sink.write(b"longer than a file may be\n", 20)
    assert names(tmp_path) == ["log", "log.000001", "log.000002"]


def test_a_new_file_begins_at_each_hour_of_utc(tmp_path: Path) -> None:
    wall, ticks = Clock(3600.0 * 1000 - 1), Clock()
    sink = make(tmp_path / "log", Rotation(size=None, every="hour", compress=False), wall, ticks)
    sink.write(b"before\n", 20)
    wall.now += 2
    sink.write(b"not looked at yet\n", 20)
    ticks.now += 0.1
    sink.write(b"after\n", 20)
    assert (tmp_path / "log.000001").read_bytes() == b"before\nnot looked at yet\n"
    assert (tmp_path / "log").read_bytes() == b"after\n"


def test_yesterdays_file_is_put_aside_at_the_start_of_a_process(tmp_path: Path) -> None:
    wall = Clock()
    (tmp_path / "log").write_bytes(b"yesterday\n")
    os.utime(tmp_path / "log", (wall.now - 86_400, wall.now - 86_400))
    make(tmp_path / "log", Rotation(every="day", compress=False), wall, Clock()).write(b"today\n", 20)
    assert (tmp_path / "log.000001").read_bytes() == b"yesterday\n"


def test_a_clock_that_is_set_back_ends_no_file_and_stops_no_later_one(tmp_path: Path) -> None:
    """T3: back by a year; the next boundary after that counts again."""
    wall, ticks = Clock(), Clock()
    sink = make(tmp_path / "log", Rotation(every=60, compress=False), wall, ticks)
    sink.write(b"one\n", 20)
    for step, line in ((-365 * 86_400, b"two\n"), (60, b"three\n"), (60, b"four\n")):
        wall.now += step
        ticks.now += 1
        sink.write(line, 20)
    assert names(tmp_path) == ["log", "log.000001", "log.000002"]
    assert everything(tmp_path) == [b"one", b"two", b"three", b"four"]


@given(st.floats(0, 4e9), st.sampled_from(["hour", "day", 60.0, 7.5]))
def test_time_that_goes_on_never_goes_back_a_period(now: float, every: Any) -> None:
    """T3: leap seconds and daylight saving do not exist in seconds since 1970, nor in periods of them."""
    rotation = Rotation(every=every)
    assert period_of(rotation, now) <= period_of(rotation, now + 1) <= period_of(rotation, now) + 1
    assert not is_due(rotation, size=5, period=period_of(rotation, now), now_period=period_of(rotation, now - 3600))


def test_names_go_on_counting_whatever_the_clock_says() -> None:
    assert next_name("log", []) == "log.000001"
    assert next_name("log", ["log", "log.000009.gz", "log.000002", "log.bak", "other.000100"]) == "log.000010"
    assert next_name("log", ["log.999999"]) == "log.1000000"


def aside(*sizes: int) -> list[Aside]:
    return [Aside(f"log.{n:06d}", n, size, 100.0 * n) for n, size in enumerate(sizes, 1)]


@pytest.mark.parametrize(
    ("rotation", "gone"),
    [
        (Rotation(keep=2), [1]),
        (Rotation(keep=0), [1, 2, 3]),
        (Rotation(keep=None), []),
        (Rotation(keep=None, keep_for=250), [1]),
        (Rotation(keep=None, keep_bytes=35), [1]),
        (Rotation(keep=None, keep_bytes=5), [1, 2, 3]),
        (Rotation(keep=2, keep_for=150, keep_bytes=1000), [1, 2]),
    ],
)
def test_what_is_too_much_goes_the_oldest_first(rotation: Rotation, gone: list[int]) -> None:
    assert [file.number for file in surplus(rotation, aside(10, 20, 15), now=360.0)] == gone


def test_only_so_many_files_are_kept(tmp_path: Path) -> None:
    sink = make(tmp_path / "log", Rotation(size=10, keep=2), Clock(), Clock())
    for number in range(8):
        sink.write(b"%010d\n" % number, 20)
        sink.flush(5)
    assert names(tmp_path) == ["log", "log.000006.gz", "log.000007.gz"]


def test_a_file_that_another_process_holds_is_neither_compressed_nor_removed(tmp_path: Path) -> None:
    ticks = Clock()
    rotation = Rotation(size=10, keep=0)
    mine, other = (make(tmp_path / "log", rotation, Clock(), ticks) for _ in range(2))
    other.write(b"other\n", 20)
    mine.write(b"mine, long enough\n", 20)
    mine.write(b"new file\n", 20)
    mine.flush(5)
    assert names(tmp_path) == ["log", "log.000001"]
    other.write(b"late\n", 20)  # less than 100 ms later
    assert (tmp_path / "log.000001").read_bytes() == b"other\nmine, long enough\nlate\n"
    ticks.now += 0.1
    other.write(b"noticed\n", 20)
    assert (tmp_path / "log").read_bytes() == b"new file\nnoticed\n"
    Archive(str(tmp_path / "log"), rotation, clock=Clock()).tidy_now()
    assert names(tmp_path) == ["log"]


def test_another_that_puts_it_aside_is_not_disturbed(tmp_path: Path) -> None:
    ticks = Clock()
    sink = make(tmp_path / "log", Rotation(size=10, compress=False), Clock(), ticks)
    sink.write(b"long enough\n", 20)
    with (tmp_path / ".log.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sink.write(b"meanwhile\n", 20)
    assert names(tmp_path) == ["log"]
    ticks.now += 0.1
    sink.write(b"after\n", 20)
    assert names(tmp_path) == ["log", "log.000001"]


@pytest.mark.parametrize("step", ["between rename and open", "between compress and remove", "while compressing"])
def test_a_process_that_was_killed_in_the_middle_leaves_nothing_twice(tmp_path: Path, step: str) -> None:
    """D4."""
    path = tmp_path / "log"
    if step == "between rename and open":
        (tmp_path / "log.000001").write_bytes(b"one\n")
    else:
        (tmp_path / "log.000001").write_bytes(b"one\n")
        path.write_bytes(b"")
        if step == "between compress and remove":
            (tmp_path / "log.000001.gz").write_bytes(gzip.compress(b"one\n"))
        else:
            (tmp_path / ".log.000001.gz.part").write_bytes(gzip.compress(b"one\n")[:9])
    sink = make(path, Rotation(size=3), Clock(), Clock())
    sink.write(b"two\n", 20)
    sink.write(b"three\n", 20)
    sink.flush(5)
    assert everything(tmp_path) == [b"one", b"two", b"three"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [".log.lock", "log", "log.000001.gz", "log.000002.gz"]


def test_logrotate_may_rename_or_cut_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    ticks = Clock()
    sink = FileSink(str(path), monotonic=ticks)
    sink.write(b"one\n", 20)
    path.rename(tmp_path / "log.1")
    sink.write(b"two\n", 20)
    sink.reopen()
    sink.write(b"three\n", 20)
    os.truncate(path, 0)
    sink.write(b"four\n", 20)
    assert (tmp_path / "log.1").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"four\n"


def test_a_program_that_changes_its_folder_goes_on_in_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As daemons do."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    ticks = Clock()
    sink = make(Path("log"), Rotation(size=1, compress=False), Clock(), ticks)
    sink.write(b"1\n", 20)
    monkeypatch.chdir(tmp_path / "elsewhere")
    ticks.now += 1
    sink.write(b"2\n", 20)
    sink.flush(10)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [".log.lock", "log", "log.000001"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    """D2."""
    path = tmp_path / "deep" / "log"
    ticks = Clock()
    sink = make(path, Rotation(), Clock(), ticks)
    sink.write(b"one\n", 20)
    path.unlink()
    path.parent.rmdir()
    ticks.now += 1
    sink.write(b"two\n", 20)
    assert path.read_bytes() == b"two\n"


def test_a_folder_that_cannot_be_made_again_loses_lines_and_says_so_once(tmp_path: Path) -> None:
    """D2: dropped, counted, told when it heals."""
    path = tmp_path / "deep" / "log"
    ticks = Clock()
    logging = Logging(LoggingOptions(file=str(path), rotation=Rotation()), monotonic=ticks)
    log = logging.get_logger("x")
    sink: Any = logging._door.sink
    log.info("one")
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the way")
    sink.reopen()
    log.info("two")
    log.info("three")
    path.parent.unlink()
    log.info("four")
    told = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [(line["body"], line["attributes"]) for line in told] == [("four", {}), ("log lines were lost", {"lost": 2})]


def test_a_renamed_file_is_written_to_while_no_new_one_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: better a line in the old file than none."""
    path = tmp_path / "log"
    sink = FileSink(str(path), monotonic=Clock())
    sink.write(b"one\n", 20)
    path.rename(tmp_path / "old")
    with monkeypatch.context() as patch:
        patch.setattr("hxp_logging._file.os.open", refuse)
        sink.reopen()
        sink.write(b"two\n", 20)
    sink.reopen()
    sink.write(b"three\n", 20)
    assert (tmp_path / "old").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"


def refuse(*_: object) -> int:
    raise PermissionError


def test_a_folder_without_room_for_another_name_makes_a_long_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: a read-only folder; tried again a second later."""
    ticks = Clock()
    sink = make(tmp_path / "log", Rotation(size=5, compress=False), Clock(), ticks)
    sink.write(b"one, long enough\n", 20)
    with monkeypatch.context() as patch:
        patch.setattr("os.rename", refuse)
        sink.write(b"two\n", 20)
        ticks.now += 0.5
        sink.write(b"three\n", 20)
    assert names(tmp_path) == ["log"]
    ticks.now += 1
    sink.write(b"four\n", 20)
    assert everything(tmp_path) == [b"one, long enough", b"two", b"three", b"four"]
    assert names(tmp_path) == ["log", "log.000001"]


def test_a_file_system_without_locks_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    sink = make(tmp_path / "log", Rotation(size=5), Clock(), Clock())
    sink.write(b"one, long enough\n", 20)
    sink.write(b"two\n", 20)
    assert names(tmp_path) == ["log"]  # nobody can be alone, so nothing is put aside


def test_a_file_that_somebody_compresses_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="renamed faster than it can be opened"):
            make(path, Rotation(), Clock(), Clock()).write(b"x\n", 20)


def test_a_full_disk_leaves_what_it_could_not_compress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D1."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    sink = make(tmp_path / "log", Rotation(size=5), Clock(), Clock())
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", full)
        sink.write(b"one, long enough\n", 20)
        sink.write(b"two, long enough\n", 20)
        sink.flush(5)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".log.lock", "log", "log.000001"]
    sink.write(b"three\n", 20)
    sink.flush(5)
    assert names(tmp_path) == ["log", "log.000001.gz", "log.000002.gz"]


def test_a_thread_that_cannot_start_costs_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_to_start(_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr("threading.Thread.start", refuse_to_start)
    sink = make(tmp_path / "log", Rotation(size=5), Clock(), Clock())
    sink.write(b"one, long enough\n", 20)
    sink.write(b"two\n", 20)
    sink.flush(1)
    assert names(tmp_path) == ["log", "log.000001"]


def test_a_closed_file_keeps_its_number_to_itself(tmp_path: Path) -> None:
    sink = FileSink(str(tmp_path / "log"))
    sink.write(b"one\n", 20)
    sink.close()
    with (tmp_path / "other").open("w") as other:
        assert other.fileno() != sink.descriptor
        sink.write(b"two\n", 20)
    assert (tmp_path / "other").read_bytes() == b""
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


def test_a_closed_file_that_cannot_be_opened_again_takes_no_line(tmp_path: Path) -> None:
    """D2: what is behind its number meanwhile is not the file."""
    path = tmp_path / "folder" / "log"
    logging = Logging(LoggingOptions(file=str(path)))
    logging.get_logger("x").info("one")
    logging.close()
    shutil.rmtree(path.parent)
    path.parent.write_text("in the way")
    for _ in range(3):
        logging.get_logger("x").info("lost")
    assert (logging.statistics().written, logging.statistics().lost) == (1, 3)
    path.parent.unlink()
    logging.get_logger("x").info("two")
    assert [orjson.loads(line)["body"] for line in path.read_bytes().splitlines()] == ["two", "log lines were lost"]


def test_a_sink_that_goes_leaves_no_descriptor_open(tmp_path: Path) -> None:
    gc.collect()  # what other tests left behind
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(10):
        sink = FileSink(str(tmp_path / f"log{number}"))
        sink.write(b"one\n", 20)
        sink.close()
    del sink
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_files_removed_while_they_are_listed_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "log.000001").symlink_to(tmp_path / "gone")
    assert Archive(str(tmp_path / "log"), Rotation(), clock=Clock()).files() == []
