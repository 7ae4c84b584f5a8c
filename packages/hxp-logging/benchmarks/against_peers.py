# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "hxp-logging[redact]",
#     "hxp-testing",
#     "loguru==0.7.3",
#     "orjson==3.13.0",
#     "picologging==0.9.3",
#     "pydantic==2.14.3",
#     "python-json-logger==4.2.0",
#     "structlog==26.1.0",
# ]
#
# [tool.uv.sources]
# hxp-logging = { path = "..", editable = true }
# hxp-schemas = { path = "../../hxp-schemas", editable = true }
# hxp-testing = { path = "../../hxp-testing", editable = true }
# ///
"""One line, with five fields and a request id, as JSON into a file: us and those who do it too."""

import json
import logging
import logging.handlers
import os
import secrets
import sys
import tempfile
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import loguru
import orjson
import picologging
import structlog
from hxp_logging import Logging, LoggingOptions, Rotation, _automaton, correlation
from hxp_testing.benchmark import Suite, Table
from pythonjsonlogger.orjson import OrjsonFormatter

REQUEST_ID = "req_01ARYZ6S41ZZZZZZZZZZZZZZZZ"
REQUEST: ContextVar[str] = ContextVar("request", default=REQUEST_ID)
EVENT = "request served"
FIELDS: dict[str, Any] = {
    "method": "POST",
    "path": "/v1/chat/completions",
    "status": 200,
    "seconds": 0.123,
    "model": "tiny",
}
NOTHING_HIDDEN = {"redact_keys": frozenset[str](), "content_keys": frozenset[str](), "redact_shapes": False}

suite = Suite("hxp-logging against its peers")


def folder(table: Table) -> Path:
    """Make a folder for the table's files."""
    return Path(table.enter(tempfile.TemporaryDirectory()))


def in_request(table: Table) -> None:
    """Put a request id on every line."""
    table.enter(correlation(REQUEST_ID, None))


def ours(path: Path, **options: Any) -> Logging:
    """Write to a file."""
    return Logging(LoggingOptions(file=str(path), **options))


def call_with_fields(log: Any) -> Callable[[], object]:
    """Make a call as a program would."""
    return lambda: log(EVENT, method="POST", path="/v1/chat/completions", status=200, seconds=0.123, model="tiny")


class WithRequest(logging.Filter):
    """The standard library's way to put a request id on every line."""

    def filter(self, record: Any) -> bool:
        """Add the field."""
        record.request_id = REQUEST.get()
        return True


def stdlib_logger(path: Path, name: str, handler: logging.Handler | None = None) -> logging.Logger:
    """Make a logger with the faster formatter of python-json-logger."""
    log = logging.Logger(name, "INFO")  # noqa: LOG001 - one without parents, which is faster
    handler = handler or logging.FileHandler(path)
    handler.setFormatter(OrjsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s"))
    handler.addFilter(WithRequest())
    log.addHandler(handler)
    return log


class PicoJson(picologging.Formatter):
    """picologging has no JSON formatter of its own: the shortest one that does the job."""

    def format(self, record: Any) -> str:
        """Make a line."""
        told = {
            "timestamp": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.msg,
            "request_id": REQUEST.get(),
            **record.args,
        }
        return orjson.dumps(told).decode()


def pico_logger(path: Path) -> picologging.Logger:
    """Make a logger with a formatter of our own."""
    log = picologging.Logger("pico", picologging.INFO)
    handler = picologging.FileHandler(str(path))
    handler.setFormatter(PicoJson())
    log.addHandler(handler)
    return log


def structlog_bytes(path: Path) -> Any:
    """The fastest that structlog's documentation on performance offers."""
    return structlog.wrap_logger(
        structlog.BytesLogger(path.open("ab")),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    ).bind()


def structlog_stdlib(path: Path) -> Any:
    """Make the one that its documentation recommends beside the standard library."""
    inner = logging.Logger("via stdlib", "INFO")  # noqa: LOG001 - one without parents, which is faster
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(message)s"))
    inner.addHandler(handler)
    return structlog.wrap_logger(
        inner,
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=lambda told, **_: orjson.dumps(told).decode()),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    ).bind()


def loguru_logger(path: Path) -> Any:
    """Make its one logger write JSON."""
    loguru.logger.remove()
    loguru.logger.add(str(path), level="INFO", serialize=True)
    return loguru.logger


def floor(path: Path) -> Callable[..., None]:
    """Do what cannot be left out: encode the line as one dictionary, and hand it to the kernel."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def log(event: str, **fields: Any) -> None:
        told = {
            "timestamp": "2026-11-23T12:00:00.000000Z",
            "severity_text": "INFO",
            "severity_number": 9,
            "logger": "x",
            "body": event,
            "attributes": fields,
            "request_id": REQUEST_ID,
        }
        os.write(descriptor, orjson.dumps(told, None, orjson.OPT_APPEND_NEWLINE))

    return log


def check(path: Path) -> None:
    """Every candidate has written what it was told."""
    line = json.loads(path.read_text().splitlines()[-1])
    text = json.dumps(line)
    for wanted in (EVENT, REQUEST_ID, *map(str, FIELDS.values())):
        assert wanted in text, (path, wanted, text)


@suite.table("a line to a file", reference="structlog, bytes and orjson")
def line(table: Table) -> None:
    """The same job for all: a time, a level, five fields, the request id of the context; JSON, in a file at once."""
    where = folder(table)
    in_request(table)
    structlog.contextvars.bind_contextvars(request_id=REQUEST_ID)
    stdlib = stdlib_logger(where / "stdlib", "stdlib")
    pico = pico_logger(where / "pico")
    table.enter(loguru.logger.contextualize(request_id=REQUEST_ID))
    log = loguru_logger(where / "loguru")
    candidates: dict[str, tuple[Path, Callable[[], object]]] = {
        "the floor: orjson and os.write": (where / "floor", call_with_fields(floor(where / "floor"))),
        "hxp-logging": (
            where / "ours",
            call_with_fields(ours(where / "ours", **NOTHING_HIDDEN).get_logger("x").info),
        ),
        "hxp-logging as it comes": (where / "safe", call_with_fields(ours(where / "safe").get_logger("x").info)),
        "structlog, bytes and orjson": (where / "bytes", call_with_fields(structlog_bytes(where / "bytes").info)),
        "structlog via stdlib": (where / "via", call_with_fields(structlog_stdlib(where / "via").info)),
        "stdlib and python-json-logger": (where / "stdlib", lambda: stdlib.info(EVENT, extra=FIELDS)),
        "picologging and orjson": (where / "pico", lambda: pico.info(EVENT, FIELDS)),
        "loguru, serialize": (where / "loguru", call_with_fields(log.info)),
    }
    for name, (path, call) in candidates.items():
        call()
        check(path)
        table.call(name, call)
    table.target("hxp-logging", at_most=1 / 3)


@suite.table("a disabled call", reference="stdlib", baseline="nothing")
def disabled(table: Table) -> None:
    """With the fields that a caller passes anyway; for the standard library as `extra`."""
    where = folder(table)
    stdlib = stdlib_logger(where / "stdlib", "stdlib")
    table.call("nothing", lambda: None)
    table.call("hxp-logging", call_with_fields(ours(where / "ours").get_logger("x").debug))
    table.call("stdlib", lambda: stdlib.debug(
        EVENT,
        extra={"method": "POST", "path": "/v1/chat/completions", "status": 200, "seconds": 0.123, "model": "tiny"},
    ))  # fmt: skip
    table.call("structlog, bytes and orjson", call_with_fields(structlog_bytes(where / "bytes").debug))
    table.call("loguru", call_with_fields(loguru_logger(where / "loguru").debug))
    table.target("hxp-logging", at_most=1.0)


@suite.table("a disabled call without fields", reference="stdlib", baseline="nothing")
def disabled_bare(table: Table) -> None:
    """Nothing but the text."""
    where = folder(table)
    stdlib = stdlib_logger(where / "stdlib", "stdlib")
    ours_debug = ours(where / "ours").get_logger("x").debug
    struct_debug = structlog_bytes(where / "bytes").debug
    table.call("nothing", lambda: None)
    table.call("hxp-logging", lambda: ours_debug(EVENT))
    table.call("stdlib", lambda: stdlib.debug(EVENT))
    table.call("structlog, bytes and orjson", lambda: struct_debug(EVENT))
    table.target("hxp-logging", at_most=1.0)


def redaction(table: Table, size: int, targets: tuple[float, float]) -> None:
    """Compare lines of a size with and without anything to hide."""
    where = folder(table)
    in_request(table)
    values = [secrets.token_urlsafe(24) for _ in range(100)]
    keys = frozenset(f"secret_{number}" for number in range(20))
    plain = ours(where / "plain", **NOTHING_HIDDEN)
    plain.get_logger("x").info(EVENT, **FIELDS, note="")
    pad = "y" * max(0, size - len((where / "plain").read_bytes()))

    def call(logging: Logging) -> Callable[[], object]:
        log = logging.get_logger("x").info
        log(EVENT, **FIELDS, note=pad)
        return lambda: log(
            EVENT, method="POST", path="/v1/chat/completions", status=200, seconds=0.123, model="tiny", note=pad
        )

    def hiding(path: Path) -> Logging:
        made = ours(path, redact_keys=keys)
        for value in values:
            made.register_secret(value)
        assert made.secrets.is_suspect(values[-1].encode())  # and so the search is built
        return made

    table.call("plain", call(plain))
    table.call("redacting, with the extra", call(hiding(where / "with")))
    known, _automaton.BytesAhoCorasick = _automaton.BytesAhoCorasick, None  # type: ignore[assignment,misc]
    table.call("redacting, without", call(hiding(where / "without")))
    _automaton.BytesAhoCorasick = known  # type: ignore[misc]
    table.target("redacting, with the extra", at_most=targets[0])
    table.target("redacting, without", at_most=targets[1])


@suite.table("redaction at 256 bytes", reference="plain")
def redaction_256(table: Table) -> None:
    """20 keys, 100 registered secrets in all encodings, shapes; the shortest line that has them all."""
    redaction(table, 256, (1.6, 2.7))


@suite.table("redaction at 512 bytes", reference="plain")
def redaction_512(table: Table) -> None:
    """The same with a longer field."""
    redaction(table, 512, (2.2, 2.7))


@suite.table("what rotation adds", reference="RotatingFileHandler", baseline="a file")
def rotation(table: Table) -> None:
    """Microseconds a line, over our line to a file that is never put aside."""
    where = folder(table)
    in_request(table)
    handler = logging.handlers.RotatingFileHandler(where / "stdlib", maxBytes=1 << 28, backupCount=3)
    stdlib = stdlib_logger(where / "stdlib", "stdlib", handler)
    table.call("a file", call_with_fields(ours(where / "plain").get_logger("x").info))
    rotated = ours(where / "rotated", rotation=Rotation(size=1 << 28, every="hour"))
    table.call("a file that rotates", call_with_fields(rotated.get_logger("x").info))
    table.call("RotatingFileHandler", lambda: stdlib.info(EVENT, extra=FIELDS))
    table.target("a file that rotates", at_most=0.1, of=None)


@suite.table("import and first line", reference="pydantic, one model", baseline="python", unit="ms")
def first(table: Table) -> None:
    """A fresh interpreter each time."""
    table.process("python", "pass")
    table.process(
        "hxp-logging",
        "from hxp_logging import configure, get_logger, LoggingOptions\n"
        "configure(LoggingOptions(file='/dev/null', format='json'))\nget_logger('x').info('hello', a=1)",
    )
    table.process(
        "pydantic, one model",
        "from pydantic import BaseModel\nclass A(BaseModel):\n    a: int\nA(a=1)",
    )
    table.process(
        "structlog",
        "import structlog, sys\nstructlog.configure(logger_factory=structlog.PrintLoggerFactory("
        "open('/dev/null', 'w')))\n"
        "structlog.get_logger().info('hello', a=1)",
    )
    table.process(
        "stdlib", "import logging\nlogging.basicConfig(filename='/dev/null', level=20)\nlogging.info('hello')"
    )
    table.target("hxp-logging", at_most=0.4)


if __name__ == "__main__":
    sys.exit(suite.main())
