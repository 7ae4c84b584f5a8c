"""Programs that use structlog: same format, context, levels and redaction."""

import io
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog
from hxp_logging import Logging, LoggingOptions, _default, correlation
from hxp_logging.structlog import HxpRenderer
from hxp_logging.testing import capture


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logging(stream: io.StringIO) -> Iterator[Logging]:
    made = Logging(LoggingOptions(format="json"), stream=stream)
    made.register_secret("canary-secret")
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, HxpRenderer(made)])
    yield made
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_leaves_by_our_door(logging: Logging, stream: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(tenant="acme")
    with correlation("req_1", None):
        structlog.get_logger().warning("sold", pieces=3, password="hunter2", note="canary-secret", logger="till")
    [line] = lines(stream)
    assert (line["logger"], line["body"], line["severity_text"], line["request_id"]) == (
        "till",
        "sold",
        "WARNING",
        "req_1",
    )
    assert line["attributes"] == {"tenant": "acme", "pieces": 3, "password": "[redacted]", "note": "[redacted]"}


def test_levels_are_ours(logging: Logging, stream: io.StringIO) -> None:
    log = structlog.get_logger()
    log.debug("not wanted")
    logging.set_level("DEBUG", "structlog")
    log.debug("wanted")
    log.msg("of no level")
    log.critical("worst")
    assert [line["severity_text"] for line in lines(stream)] == ["DEBUG", "INFO", "CRITICAL"]


def test_a_level_that_structlog_does_not_name_is_rounded(logging: Logging, stream: io.StringIO) -> None:
    with pytest.raises(structlog.DropEvent):
        HxpRenderer(logging)(None, "notice", {"event": "x", "level_number": 35})
    with pytest.raises(structlog.DropEvent):
        HxpRenderer(logging)(None, "exception", {"event": "x"})
    assert [line["severity_text"] for line in lines(stream)] == ["WARNING", "ERROR"]


def test_exceptions_are_told(logging: Logging, stream: io.StringIO) -> None:
    log = structlog.get_logger()
    try:
        raise ValueError("canary-secret")  # noqa: TRY301 - what is tested
    except ValueError as error:
        log.exception("failed")
        log.error("failed", exc_info=True)  # noqa: G201 - the other way to say it
        log.error("failed", exc_info=(type(error), error, None))
        log.error("failed", exc_info=error)
    for line in lines(stream):
        assert line["attributes"]["exception.message"] == "[redacted]"


def test_the_name_of_the_wrapped_logger_is_used() -> None:
    stream = io.StringIO()
    made = Logging(LoggingOptions(format="json"), stream=stream)

    class Named:
        name = "named"

    with pytest.raises(structlog.DropEvent):
        HxpRenderer(made)(Named(), "info", {"event": "x"})
    assert lines(stream)[0]["logger"] == "named"


def test_the_process_default_is_used_unless_told_otherwise(fresh_default: _default.Default) -> None:
    with capture() as events, pytest.raises(structlog.DropEvent):
        HxpRenderer()(None, "info", {"event": "x", "level": "error"})
    assert [(event["logger"], event["severity_text"]) for event in events] == [("structlog", "ERROR")]
