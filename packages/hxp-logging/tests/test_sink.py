import errno
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hxp_logging import Logging, LoggingOptions

Write = Callable[[int, bytes], int]


def failing(times: set[int], *, part: int = 0) -> Write:
    """Stand in for `os.write`: the calls with these numbers fail, after a part if asked."""
    calls = iter(range(1_000_000))
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        call = next(calls)
        if call in times:
            raise OSError(errno.ENOSPC, "No space left on device")
        if part and call + 1 in times:
            return real(descriptor, data[:part])
        return real(descriptor, data)

    return write


def bodies(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_full_disk_stops_nothing_and_is_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """D1: ENOSPC."""
    path = tmp_path / "log"
    logging = Logging(LoggingOptions(file=str(path)))
    log = logging.get_logger("x")
    monkeypatch.setattr("hxp_logging._file.os.write", failing({1, 2}))
    for number in range(5):
        log.info("line", number=number)
    logging.close()
    told = bodies(path)
    assert [line["attributes"] for line in told] == [{"number": 0}, {"number": 3}, {"lost": 2}, {"number": 4}]
    assert told[2]["body"] == "log lines were lost"
    assert (logging.statistics().written, logging.statistics().lost) == (4, 2)


@pytest.mark.parametrize("broken", range(1, 8))
def test_the_nth_write_may_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: int) -> None:
    """D3: for every N, all the other lines are there."""
    path = tmp_path / "log"
    logging = Logging(LoggingOptions(file=str(path)))
    monkeypatch.setattr("hxp_logging._file.os.write", failing({broken}))
    for number in range(10):
        logging.get_logger("x").info("line", number=number)
    logging.close()
    numbers = [line["attributes"]["number"] for line in bodies(path) if line["body"] == "line"]
    assert sorted(numbers) == [number for number in range(10) if number != broken]


def test_after_half_a_line_the_next_one_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """D1: a torn line spoils itself and no other."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "w") as writer:
        logging = Logging(LoggingOptions(format="json"), stream=writer)
        monkeypatch.setattr("hxp_logging._sink.os.write", failing({1}, part=10))
        logging.get_logger("x").info("torn")
        logging.get_logger("x").info("whole")
        monkeypatch.undo()
        writer.close()
        torn, whole, lost = reader.read().splitlines()
    assert torn == b'{"timestam'
    assert orjson.loads(whole)["body"] == "whole"
    assert orjson.loads(lost)["attributes"] == {"lost": 1}


def test_a_short_write_to_a_stream_is_continued(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = os.write
    monkeypatch.setattr("hxp_logging._sink.os.write", lambda descriptor, data: real(descriptor, data[:7]))
    with (tmp_path / "log").open("w") as stream:
        Logging(LoggingOptions(format="json"), stream=stream).get_logger("x").info("whole")
    assert bodies(tmp_path / "log")[0]["body"] == "whole"


def short(times: set[int], before: Callable[[], object] = lambda: None) -> Write:
    """Stand in for `os.write`: the calls with these numbers write ten bytes, as on a disk that is just full."""
    calls = iter(range(1_000_000))
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if next(calls) not in times:
            return real(descriptor, data)
        written = real(descriptor, data[:10])
        before()
        return written

    return write


def test_half_a_line_is_taken_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """D1: no torn line, although the disk was full in the middle of one."""
    path = tmp_path / "log"
    logging = Logging(LoggingOptions(file=str(path)))
    monkeypatch.setattr("hxp_logging._file.os.write", short({1, 2}))
    for number in range(5):
        logging.get_logger("x").info("line", number=number)
    assert [line["attributes"] for line in bodies(path)] == [{"number": 0}, {"number": 3}, {"lost": 2}, {"number": 4}]


def test_half_a_line_behind_which_another_process_wrote_stays_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """D1: what another wrote is never cut away, and nothing is appended to the torn half."""
    path = tmp_path / "log"
    logging = Logging(LoggingOptions(file=str(path)))

    def another() -> None:
        with path.open("ab") as file:
            file.write(b"another\n")

    monkeypatch.setattr("hxp_logging._file.os.write", short({1}, another))
    for number in range(3):
        logging.get_logger("x").info("line", number=number)
    lines = path.read_bytes().split(b"\n")
    assert [len(line) > 20 for line in lines] == [True, False, False, True, True, False]
    assert lines[1].endswith(b"another")


def test_a_file_as_long_as_it_may_be_stops_nothing(tmp_path: Path) -> None:
    """D1: RLIMIT_FSIZE, in a process of its own."""
    code = """if True:
        import resource, sys
        from hxp_logging import Logging, LoggingOptions
        logging = Logging(LoggingOptions(file=sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        for number in range(20):
            logging.get_logger("x").info("line", number=number)
        print(logging.statistics().lost)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        logging.get_logger("x").info("healed")
    """
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "log"], check=True, capture_output=True, text=True)
    told = bodies(tmp_path / "log")
    assert [line["body"] for line in told[-2:]] == ["healed", "log lines were lost"]
    assert told[-1]["attributes"]["lost"] == int(done.stdout) == 20 - (len(told) - 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
def test_a_disk_that_fills_up_stops_nothing(tmp_path: Path) -> None:
    """D1: a real ENOSPC, on a tmpfs of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False, stderr=-3).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        logging = Logging(LoggingOptions(file=str(disk / "log")))
        for number in range(200):
            logging.get_logger("x").info("line", number=number, text="x" * 600)
        lost = logging.statistics().lost
        full = bodies(disk / "log")
        os.truncate(disk / "log", 0)
        logging.get_logger("x").info("healed")
        assert [line["body"] for line in bodies(disk / "log")] == ["healed", "log lines were lost"]
        logging.close()
        del logging
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    assert 0 < len(full) == 200 - lost


def test_a_folder_that_cannot_be_made_loses_lines_until_it_can(tmp_path: Path) -> None:
    """D2: serving goes on."""
    obstacle = tmp_path / "logs"
    obstacle.write_text("a file where the folder should be")
    logging = Logging(LoggingOptions(file=str(obstacle / "log")))
    logging.get_logger("x").info("lost")
    obstacle.unlink()
    logging.get_logger("x").info("kept")
    logging.close()
    assert [line["body"] for line in bodies(obstacle / "log")] == ["kept", "log lines were lost"]


def test_a_closed_stream_loses_lines_and_nothing_else() -> None:
    stream = io.StringIO()
    logging = Logging(LoggingOptions(format="json"), stream=stream)
    stream.close()
    logging.get_logger("x").info("lost")
    logging.close()
    assert logging.statistics().lost == 1


def test_a_descriptor_that_now_belongs_to_another_file_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "first").open("w") as stream:
        logging = Logging(LoggingOptions(format="json"), stream=stream)
        number = stream.fileno()
    with (tmp_path / "second").open("w") as other:
        assert other.fileno() == number
        logging.get_logger("x").info("lost")
    assert (tmp_path / "second").read_text() == ""
    assert logging.statistics().lost == 1


def test_a_line_that_cannot_be_made_is_lost_and_nothing_else() -> None:
    def broken() -> float:
        raise RuntimeError("the clock stands still")

    logging = Logging(LoggingOptions(format="json"), stream=io.StringIO(), clock=broken)
    logging.get_logger("x").info("never seen")
    assert logging.statistics().lost == 1


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    logging = Logging(LoggingOptions(file=str(path)))
    barrier = threading.Barrier(4)

    def work(name: str) -> None:
        barrier.wait()
        for number in range(250):
            logging.get_logger(name).info("line", number=number, text="x" * 5000)

    threads = [threading.Thread(target=work, args=(f"t{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logging.close()
    assert len(bodies(path)) == 1000
    assert logging.statistics().written == 1000
