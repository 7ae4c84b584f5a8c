import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hxp_logging import Logging, LoggingOptions, _default, configure, get_logger
from hxp_logging.testing import capture


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def make(stream: io.StringIO, **options: Any) -> Logging:
    return Logging(LoggingOptions(**{"format": "json"} | options), stream=stream, clock=lambda: 1_700_000_000.25)


def test_a_line_holds_what_was_said_and_by_whom() -> None:
    stream = io.StringIO()
    make(stream, service="shop", version="1.0", instance="a", environment="test").get_logger("till").info(
        "sold", pieces=3, price=2.5, gift=None, member=True
    )
    assert lines(stream) == [
        {
            "timestamp": "2023-11-14T22:13:20.250000Z",
            "severity_text": "INFO",
            "severity_number": 9,
            "logger": "till",
            "service.name": "shop",
            "service.version": "1.0",
            "service.instance.id": "a",
            "deployment.environment.name": "test",
            "body": "sold",
            "attributes": {"pieces": 3, "price": 2.5, "gift": None, "member": True},
        }
    ]


def test_names_without_number_take_no_memory_without_bound() -> None:
    stream = io.StringIO()
    logging = make(stream)
    for number in range(1100):
        logging.get_logger(f"n{number}").critical("x")
    assert [line["logger"] for line in lines(stream)] == [f"n{number}" for number in range(1100)]


def test_the_time_moves_with_the_clock() -> None:
    stream = io.StringIO()
    times = iter([0.0, 0.999999, 1.0, 61.5])
    log = Logging(LoggingOptions(format="json"), stream=stream, clock=lambda: next(times)).get_logger("x")
    for _ in range(4):
        log.info("tick")
    assert [line["timestamp"][14:] for line in lines(stream)] == [
        "00:00.000000Z",
        "00:00.999999Z",
        "00:01.000000Z",
        "01:01.500000Z",
    ]


@pytest.mark.parametrize(
    ("method", "number"), [("debug", 5), ("info", 9), ("warning", 13), ("error", 17), ("critical", 21)]
)
def test_each_level_has_its_severity(method: str, number: int) -> None:
    stream = io.StringIO()
    log = make(stream, level="debug").get_logger("x")
    getattr(log, method)("event", a=1)
    getattr(log.bind(b=2), method)("event", a=1)
    assert [line["severity_number"] for line in lines(stream)] == [number, number]
    assert [line["attributes"] for line in lines(stream)] == [{"a": 1}, {"b": 2, "a": 1}]


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    logging = make(stream, level="CRITICAL")
    log = logging.get_logger("x")
    logging.set_level("CRITICAL")
    for method in (log.debug, log.info, log.warning, log.error):
        method("no")
    log._channel.threshold = 60
    log.critical("no")
    log._channel.threshold = 50
    assert stream.getvalue() == ""
    assert not log.is_enabled("ERROR")
    assert log.is_enabled("CRITICAL")


def test_a_level_reaches_a_logger_and_its_children() -> None:
    stream = io.StringIO()
    logging = make(stream)
    child, other = logging.get_logger("a.b.c"), logging.get_logger("ab")
    logging.set_level("debug", "a.b")
    child.debug("yes")
    other.debug("no")
    logging.get_logger("a.b").debug("yes")
    logging.get_logger("a").debug("no")
    logging.set_level("ERROR")
    other.warning("no")
    child.debug("yes")
    assert [line["body"] for line in lines(stream)] == ["yes"] * 3


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(ValueError, match="unknown level 'LOUD': use one of DEBUG, INFO"):
        Logging(LoggingOptions(level="LOUD"))


def test_an_exception_is_told_with_its_traceback() -> None:
    stream = io.StringIO()
    log = make(stream).get_logger("x")
    try:
        dict[str, int]()["missing"]
    except KeyError as error:
        log.exception("failed", a=1)
        for given in (True, error):
            log.error("failed", exc_info=given)
    for wrong in (True, "odd"):
        log.error("failed", exc_info=wrong)
    *told, nothing, odd = [line["attributes"] for line in lines(stream)]
    for attributes in told:
        assert attributes["exception.type"] == "KeyError"
        assert attributes["exception.message"] == "'missing'"
        assert "test_logger.py" in attributes["exception.stacktrace"]
    assert nothing == odd == {}


def test_the_type_of_an_exception_is_told_with_its_module() -> None:
    stream = io.StringIO()
    make(stream).get_logger("x").error("failed", exc_info=json.JSONDecodeError("m", "d", 0))
    assert lines(stream)[0]["attributes"]["exception.type"] == "json.decoder.JSONDecodeError"


def test_an_exception_that_cannot_be_told_is_told_as_that() -> None:
    class AwkwardError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    stream = io.StringIO()
    make(stream).get_logger("x").error("failed", exc_info=AwkwardError())
    assert lines(stream)[0]["attributes"]["exception.message"] == "<unprintable AwkwardError>"


def test_standard_error_is_the_default(capfd: pytest.CaptureFixture[str]) -> None:
    Logging().get_logger("x").info("hello")
    assert '"body":"hello"' in capfd.readouterr().err


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log"
    for _ in range(2):
        logging = Logging(LoggingOptions(file=str(path)))
        logging.get_logger("x").info("hello")
        logging.close()
        logging.close()
    assert [orjson.loads(line)["body"] for line in path.read_bytes().splitlines()] == ["hello", "hello"]
    assert path.stat().st_mode & 0o007 == 0


def test_the_default_is_made_when_it_is_first_needed(
    fresh_default: _default.Default, capfd: pytest.CaptureFixture[str]
) -> None:
    log, other = get_logger("x"), get_logger("other")
    log.info("yes")
    log.debug("no")
    other.info("yes")
    assert capfd.readouterr().err.count("yes") == 2
    assert get_logger("y").is_enabled("INFO")
    assert get_logger("x") is not log
    assert not get_logger("z").is_enabled("DEBUG")


def test_the_first_word_may_be_one_that_is_not_written(
    fresh_default: _default.Default, capfd: pytest.CaptureFixture[str]
) -> None:
    get_logger("x").debug("no")
    assert capfd.readouterr().err == ""


def test_asking_for_a_level_makes_the_default_too(fresh_default: _default.Default) -> None:
    log = get_logger("x")
    assert not log.is_enabled("DEBUG")
    assert log.is_enabled("INFO")


def test_a_logger_from_before_follows_when_the_default_is_configured(
    fresh_default: _default.Default, tmp_path: Path
) -> None:
    log = get_logger("x")
    first = configure(LoggingOptions(file=str(tmp_path / "1")))
    log.info("one")
    configure(LoggingOptions(file=str(tmp_path / "2"), level="DEBUG"))
    log.debug("two")
    assert (tmp_path / "1").read_text().count("one") == 1
    assert (tmp_path / "2").read_text().count("two") == 1
    assert first.statistics().written == 1


def test_lines_can_be_collected(fresh_default: _default.Default, capfd: pytest.CaptureFixture[str]) -> None:
    log = get_logger("x")
    with capture() as events:
        log.debug("seen", a=1)
    with capture(level="ERROR") as errors:
        log.info("not seen")
    log.debug("not seen")
    assert [(event["body"], event["attributes"]) for event in events] == [("seen", {"a": 1})]
    assert errors == []
    assert capfd.readouterr().err == ""


def test_the_lines_of_one_object_can_be_collected() -> None:
    stream = io.StringIO()
    logging = make(stream, format="console")
    undo = logging.install_stdlib()
    with capture(logging) as events:
        logging.get_logger("x").info("seen")
    logging.get_logger("x").info("after")
    undo()
    assert [event["body"] for event in events] == ["seen"]
    assert stream.getvalue().count("\n") == 1


def test_a_line_goes_past_the_buffer_of_its_stream() -> None:
    read, write = os.pipe()
    with os.fdopen(read) as reader, os.fdopen(write, "w") as writer:
        log = Logging(LoggingOptions(format="json"), stream=writer).get_logger("x")
        log.info("past the buffer")
        assert "past the buffer" in reader.readline()


def test_no_stream_at_all_loses_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    logging = Logging()
    logging.get_logger("x").info("lost")
    assert logging.statistics().lost == 1
