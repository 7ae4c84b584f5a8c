"""Several `Logging` objects in one process, one after another and at once."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import orjson
import pytest
from hxp_logging import Background, FileOutput, Logging, LoggingOptions, _default, configure, get_logger


def lines(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_several_logging_objects_live_in_one_process(tmp_path: Path) -> None:
    """Each has its own level, service, secrets, file and counts."""
    made = []
    for number in range(10):
        level = "DEBUG" if number % 2 else "WARNING"
        options = LoggingOptions(level=level, service=f"s{number}", file=str(tmp_path / f"{number}"))
        made.append(Logging(options))
        made[-1].register_secret(f"canary-secret-{number}")
    for logging in made:
        for _ in range(2):
            logging.get_logger("x").debug("detail")
            logging.get_logger("x").error("all", secrets=" ".join(f"canary-secret-{number}" for number in range(10)))
    for number, logging in enumerate(made):
        told = lines(tmp_path / f"{number}")
        assert [line["body"] for line in told] == ["detail", "all"] * 2 if number % 2 else ["all"] * 2
        assert {line["service.name"] for line in told} == {f"s{number}"}
        hidden = [one for one in range(10) if f"canary-secret-{one}" not in told[-1]["attributes"]["secrets"]]
        assert hidden == [number]
        assert logging.statistics().written == len(told)
        logging.close()


class Talkers:
    """Threads that write numbered lines, up to a goal that is raised again and again."""

    def __init__(self, count: int) -> None:
        self.goal = 0
        self.counts = [0] * count
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._talk, args=(index,)) for index in range(count)]

    def _talk(self, index: int) -> None:
        log = get_logger(f"x{index}")
        while not self._end.is_set():
            if self.counts[index] < self.goal:
                self.counts[index] += 1
                log.info("line", number=self.counts[index])
            else:
                time.sleep(0)  # it is the others' turn

    def __enter__(self) -> Self:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        sys.setswitchinterval(self._interval)
        self._end.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("background", [None, Background()], ids=["direct", "background"])
def test_a_program_that_is_configured_anew_while_it_logs_loses_no_line(
    tmp_path: Path, fresh_default: _default.Default, background: Background | None
) -> None:
    def to(number: int) -> Logging:
        output = FileOutput(path=str(tmp_path / f"log{number}"), background=background)
        return configure(LoggingOptions(outputs=(output,)))

    made = [to(0)]
    with Talkers(3) as talkers:
        for number in range(1, 20):
            talkers.goal = 50 * number
            made.append(to(number))  # while they talk
            while min(talkers.counts) < talkers.goal:
                time.sleep(0)
    for logging in made:
        logging.flush()
    told = [(line["logger"], line["attributes"]["number"]) for path in tmp_path.iterdir() for line in lines(path)]
    assert sorted(told) == [(f"x{index}", number) for index in range(3) for number in range(1, talkers.goal + 1)]


def test_a_pipe_whose_reader_is_gone_loses_lines_and_nothing_else() -> None:
    """As `program | head` does."""
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        logging = Logging(LoggingOptions(format="json"), stream=stream)
        logging.get_logger("x").info("read")
        os.close(read)
        for _ in range(3):
            logging.get_logger("x").info("lost")
        assert (logging.statistics().written, logging.statistics().lost) == (1, 3)
