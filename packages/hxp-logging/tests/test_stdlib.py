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
