import io
import logging as stdlib
import warnings
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hxp_logging import Logging, LoggingOptions

UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logging(stream: io.StringIO) -> Iterator[Logging]:
    made = Logging(LoggingOptions(format="json"), stream=stream)
    made.install_stdlib()
    yield made
    made.close()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_of_another_library_leaves_by_the_same_door(logging: Logging, stream: io.StringIO) -> None:
    stdlib.getLogger("lib.part").warning("took %d s", 3, extra={"path": "/x", "password": "p"})
    stdlib.getLogger("lib").debug("not wanted")
    [line] = lines(stream)
    assert (line["logger"], line["body"], line["severity_number"]) == ("lib.part", "took 3 s", 13)
    assert line["attributes"] == {"path": "/x", "password": "[redacted]"}


def test_its_exception_comes_along(logging: Logging, stream: io.StringIO) -> None:
    try:
        int("boom")
    except ValueError:
        stdlib.getLogger("lib").exception("failed")
    assert lines(stream)[0]["attributes"]["exception.type"] == "ValueError"


def test_arguments_that_do_not_fit_lose_nothing(logging: Logging, stream: io.StringIO) -> None:
    [handler] = [
        handler for handler in stdlib.getLogger().handlers if type(handler).__module__ == "hxp_logging._stdlib"
    ]
    handler.handle(stdlib.makeLogRecord({"msg": "%d %d", "args": ("x",), "levelno": stdlib.ERROR, "name": "lib"}))
    assert lines(stream)[0]["body"] == "%d %d"
    assert lines(stream)[0]["attributes"] == {"args": ["x"]}


@pytest.mark.parametrize(("number", "text"), [(1, None), (25, "INFO"), (35, "WARNING"), (99, "CRITICAL")])
def test_odd_levels_are_rounded_down(logging: Logging, stream: io.StringIO, number: int, text: str | None) -> None:
    stdlib.getLogger("lib").log(number, "x")
    assert [line["severity_text"] for line in lines(stream)] == ([text] if text else [])


def test_uvicorn_and_warnings_use_it_too(logging: Logging, stream: io.StringIO) -> None:
    stdlib.getLogger("uvicorn.access").info("GET /", extra={"color_message": "no"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warnings, "filters", [])
        warnings.warn("careful", stacklevel=1)
    access, warning = lines(stream)
    assert (access["logger"], access["attributes"]) == ("uvicorn.access", {})
    assert warning["logger"] == "py.warnings"
    assert "careful" in warning["body"]


def test_levels_are_followed(logging: Logging, stream: io.StringIO) -> None:
    logging.set_level("DEBUG", "lib")
    stdlib.getLogger("lib.part").debug("one")
    logging.set_level("ERROR")
    stdlib.getLogger("other").warning("no")
    logging.set_level("ERROR", "lib")
    stdlib.getLogger("lib").warning("no")
    assert [line["body"] for line in lines(stream)] == ["one"]


def test_levels_from_before_hold(stream: io.StringIO) -> None:
    logging = Logging(LoggingOptions(format="json"), stream=stream)
    logging.set_level("DEBUG", "lib")
    logging.set_level("ERROR", "quiet")
    undo = logging.install_stdlib()
    stdlib.getLogger("lib").debug("one")
    stdlib.getLogger("quiet").setLevel(stdlib.NOTSET)
    stdlib.getLogger("quiet").warning("our own level counts too")
    undo()
    assert [line["body"] for line in lines(stream)] == ["one"]


def test_undoing_puts_everything_back(stream: io.StringIO) -> None:
    root, access = stdlib.getLogger(), stdlib.getLogger("uvicorn.access")
    own = stdlib.NullHandler()
    access.addHandler(own)
    access.propagate = False
    before = (root.handlers[:], root.level, access.handlers[:], access.propagate, warnings.showwarning)
    logging = Logging(LoggingOptions(format="json", level="DEBUG"), stream=stream)
    undo = logging.install_stdlib()
    again = logging.install_stdlib()
    logging.set_level("ERROR", "lib")
    assert access.propagate
    undo()
    again()
    logging.close()
    assert (root.handlers[:], root.level, access.handlers[:], access.propagate, warnings.showwarning) == before
    assert stdlib.getLogger("lib").level == stdlib.NOTSET
    access.removeHandler(own)
    access.propagate = True


def test_a_program_that_captured_warnings_itself_keeps_that(stream: io.StringIO) -> None:
    stdlib.captureWarnings(capture=True)
    try:
        captured = warnings.showwarning
        Logging(LoggingOptions(format="json"), stream=stream).install_stdlib()()
        assert warnings.showwarning is captured
    finally:
        stdlib.captureWarnings(capture=False)


def test_the_stack_that_a_record_carries_is_told(logging: Logging, stream: io.StringIO) -> None:
    stdlib.getLogger("lib").warning("here", stack_info=True)
    [line] = lines(stream)
    assert "test_the_stack_that_a_record_carries_is_told" in line["attributes"]["code.stacktrace"]


def test_a_secret_is_hidden_wherever_a_record_carries_it(logging: Logging, stream: io.StringIO) -> None:
    """L4: split over message and arguments, in extra, in its names, in bytes, in an exception's cause."""
    logging.register_secret("canary-secret")
    log = stdlib.getLogger("lib")
    log.warning("canary-%s", "secret", extra={"key_of_canary-secret": 1, "nested": {"data": [b"x canary-secret"]}})
    log.warning("%(a)s", {"a": ["canary-secret"]})
    log.warning(b"canary-secret")
    error = ValueError("outer")
    error.__cause__ = KeyError("canary-secret")
    log.error("failed", exc_info=error, stack_info=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("canary-secret", stacklevel=1)
    assert len(lines(stream)) == 5
    assert "canary-secret" not in stream.getvalue()


def test_uvicorns_access_records_are_told_in_one_line(logging: Logging, stream: io.StringIO) -> None:
    """L1: with what uvicorn passes, and a path that tries to begin a line."""
    path = "/x?key=sk-abcdefghijklmnop1234&\r\n\x1b[31m"
    arguments = ("127.0.0.1:1234", "GET", path, "1.1", 200)
    stdlib.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *arguments)
    stdlib.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[36mStarted\x1b[0m"})
    access, started = lines(stream)
    assert access["body"] == '127.0.0.1:1234 - "GET /x?key=[redacted]&\r\n\x1b[31m HTTP/1.1" 200'
    assert started["attributes"] == {}
    assert "\x1b" not in stream.getvalue()
