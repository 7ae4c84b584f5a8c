"""Many processes, one file: every line once, whole, and valid JSON."""

import gzip
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hxp_logging import Logging, LoggingOptions, Rotation
from hxp_logging._archive import Archive

BEGIN = b'{"timestamp":"'
WRITER = Path(__file__).with_name("log_writer.py")


def start(path: Path, name: str, *, threads: int, seconds: float, size: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), str(path), name, str(threads), str(seconds), str(size)]
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    assert made.stdout.readline() == "ready\n"
    return made


def counts_of(process: subprocess.Popen[str]) -> list[int]:
    output, _ = process.communicate("go\n") if process.stdin and not process.stdin.closed else process.communicate()
    *counts, lost = map(int, output.split())
    assert lost == 0
    return counts


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def lines_of(folder: Path, torn: list[bytes] | None = None) -> Iterator[dict[str, Any]]:
    """Every line of every file; a file is not read twice, whatever a killed process left.

    Args:
        folder: Where they are.
        torn: Takes the beginnings of lines in whose very middle a process was killed: the kernel ends a write between
            two pages of memory then, and the next line follows on the half one.
    """
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or file.with_name(f"{file.name}.gz").exists():
            continue
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        assert torn is not None or data.endswith(b"\n") or not data
        for line in data.splitlines():
            begin = line.rfind(BEGIN) if torn is not None else 0
            if begin > 0 or not line.endswith(b"}"):
                assert torn is not None
                torn.append(line[: begin or None])
            if line.endswith(b"}"):
                yield orjson.loads(line[begin:])


def has_line_of(folder: Path, logger: str) -> bool:
    """Look into whatever is there at the moment; files come and go."""
    for file in folder.iterdir():
        with suppress(FileNotFoundError, EOFError):
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            if f'"logger":"{logger}'.encode() in data:
                return True
    return False


def every_line_is_there_once(folder: Path, counts: dict[str, list[int]]) -> int:
    seen = Counter((line["logger"], line["attributes"]["number"]) for line in lines_of(folder))
    wanted = {
        (f"{name}.{index}", number)
        for name, of_threads in counts.items()
        for index, count in enumerate(of_threads)
        for number in range(1, count + 1)
    }
    assert not [line for line, times in seen.items() if times > 1]
    assert set(seen) == wanted
    return len(seen)


@pytest.mark.parametrize(
    ("processes", "threads", "seconds", "size"),
    [(3, 2, 1.0, 100_000), pytest.param(4, 8, 10.0, 2_000_000, marks=pytest.mark.slow)],
)
def test_every_line_of_many_writers_is_there_once(
    tmp_path: Path, processes: int, threads: int, seconds: float, size: int
) -> None:
    """D4: into one rotating file, compressed on the way."""
    path = tmp_path / "log"
    writers = {f"p{n}": start(path, f"p{n}", threads=threads, seconds=seconds, size=size) for n in range(processes)}
    for writer in writers.values():
        go(writer)
    counts = {name: counts_of(writer) for name, writer in writers.items()}
    rotations = len(Archive(str(path), Rotation(), clock=time.time).files())
    assert every_line_is_there_once(tmp_path, counts) > 1000
    assert rotations >= 3


def test_a_writer_that_is_killed_costs_nobody_a_line(tmp_path: Path) -> None:
    """D4: kill -9 at random moments, many of them in the middle of a rotation."""
    path = tmp_path / "log"
    steady = start(path, "steady", threads=2, seconds=3.0, size=20_000)
    go(steady)
    chance = random.Random(4)
    for number in range(6):
        victim = start(path, f"victim{number}", threads=2, seconds=60.0, size=20_000)
        go(victim)
        while not has_line_of(tmp_path, f"victim{number}."):
            threading.Event().wait(0.01)
        threading.Event().wait(chance.uniform(0.0, 0.1))
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
    counts = counts_of(steady)
    seen: dict[str, list[int]] = {}
    torn: list[bytes] = []
    for line in lines_of(tmp_path, torn):
        seen.setdefault(line["logger"], []).append(line["attributes"]["number"])
    for index, count in enumerate(counts):
        assert sorted(seen.pop(f"steady.{index}")) == list(range(1, count + 1))
    assert len(torn) <= 6  # of each victim, at most the line that it was about to write
    assert {name.split(".")[0] for name in seen} == {f"victim{number}" for number in range(6)}
    for numbers in seen.values():  # what a victim wrote is there without a gap: only its last line may not be
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("step", ["rename", "open", "compress", "unlink"])
def test_a_process_killed_at_this_very_step_of_a_rotation_loses_nothing(tmp_path: Path, step: str) -> None:
    """D4: kill -9 right before each step; the next process goes on."""
    code = """if True:
        import os, pathlib, shutil, signal, sys
        from hxp_logging import _archive, Logging, LoggingOptions, Rotation
        path, step = sys.argv[1:]
        die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
        logging = Logging(LoggingOptions(file=path, rotation=Rotation(size=200)))
        log = logging.get_logger("x")
        log.info("line", number=1)
        log.info("line", number=2)
        if step == "rename": os.rename = die
        if step == "open": os.dup2 = die
        if step == "compress": shutil.copyfileobj = die
        if step == "unlink": pathlib.Path.unlink = die
        log.info("line", number=3)
        logging.close()
        raise SystemExit("it was not killed")
    """
    path = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", code, path, step], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    logging = Logging(LoggingOptions(file=str(path), rotation=Rotation(size=200)))
    for number in range(4, 9):
        logging.get_logger("x").info("line", number=number)
    logging.close()
    numbers = sorted(line["attributes"]["number"] for line in lines_of(tmp_path))
    assert numbers in ([1, 2, *range(4, 9)], list(range(1, 9)))
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # what is tested
def test_a_fork_while_another_thread_writes_locks_nobody_out(tmp_path: Path) -> None:
    """A lock that another thread held at the moment of the fork is no lock in the child."""
    with (tmp_path / "log").open("w") as stream:
        logging = Logging(LoggingOptions(format="json"), stream=stream)
        sink: Any = logging._door.sink
        inside, release = threading.Event(), threading.Event()

        def hold() -> None:
            with sink._lock:
                inside.set()
                release.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(10)
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            logging.get_logger("x").info("from the child")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        release.set()
        thread.join()
    assert status == 0
    assert "from the child" in (tmp_path / "log").read_text()
