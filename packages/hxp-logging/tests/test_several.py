"""Several `Logging` objects in one process, one after another and at once."""

import os
import threading
from pathlib import Path
from typing import Any

import orjson
from hxp_logging import Logging, LoggingOptions, _default, configure, get_logger


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


def test_a_program_that_is_configured_anew_while_it_logs_loses_no_line(
    tmp_path: Path, fresh_default: _default.Default
) -> None:
    configure(LoggingOptions(file=str(tmp_path / "log0")))
    ready, end = threading.Barrier(4), threading.Event()
    counts = [0, 0, 0]

    def work(index: int) -> None:
        log = get_logger(f"x{index}")
        ready.wait()
        while not end.is_set():
            counts[index] += 1
            log.info("line", number=counts[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    for number in range(1, 20):
        configure(LoggingOptions(file=str(tmp_path / f"log{number}")))
    end.set()
    for thread in threads:
        thread.join()
    told = [(line["logger"], line["attributes"]["number"]) for path in tmp_path.iterdir() for line in lines(path)]
    wanted = [(f"x{index}", number) for index in range(3) for number in range(1, counts[index] + 1)]
    assert sorted(told) == wanted


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
