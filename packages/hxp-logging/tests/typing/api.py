"""A user's file: it is type-checked and never run."""

from collections.abc import Callable
from typing import Any, assert_type

from hxp_logging import (
    Background,
    Baggage,
    Catalogue,
    Event,
    FileOutput,
    FlightRecorder,
    Lazy,
    LevelChange,
    Logger,
    Logging,
    LoggingOptions,
    LoggingStatistics,
    OtlpOutput,
    Rotation,
    Sampling,
    StreamOutput,
    SyslogOutput,
    TraceContext,
    accept_request_id,
    baggage,
    bind_context,
    configure,
    correlation,
    get_logger,
    in_context,
    outgoing_headers,
    request_id,
    trace_context,
)
from hxp_logging.asgi import CorrelationMiddleware
from hxp_logging.reader import Line, Query, read_files
from hxp_logging.testing import assert_logged, capture, check_events

logging = configure(LoggingOptions(level="DEBUG", service="shop"))
assert_type(logging, Logging)
assert_type(logging.statistics(), LoggingStatistics)
assert_type(logging.install_stdlib(), Callable[[], None])
assert_type(logging.register_secret("x"), bool)

log = get_logger("shop").bind(tenant="acme")
assert_type(log, Logger)
log.info("sold", pieces=3)
log.error("failed", exc_info=ValueError())
assert_type(log.is_enabled("DEBUG"), bool)

with bind_context(a=1), correlation(accept_request_id(None), TraceContext.from_header(None).child()):
    assert_type(request_id(), str | None)
    assert_type(trace_context(), TraceContext | None)
    assert_type(outgoing_headers(), dict[str, str])

with capture() as events:
    assert_type(events, list[dict[str, Any]])

outputs = (
    StreamOutput(stream="stdout", format="ecs"),
    FileOutput(path="a.log", rotation=Rotation(size=10, every="day", keep=3), background=Background(capacity=5)),
    SyslogOutput(address="/dev/log"),
    OtlpOutput(endpoint="http://127.0.0.1:4318/v1/logs"),
)
options = LoggingOptions(outputs=outputs, sampling=Sampling(first=1), recorder=FlightRecorder(slow=1.0))
logging.set_level("DEBUG", "shop", ttl=60, tenant="acme")
assert_type(logging.change_level(LevelChange.parse({"level": "INFO"})), dict[str, Any])
assert_type(logging.install_hooks(), Callable[[], None])
with logging.flight(slow=2.0) as flight:
    flight.keep()
log.log("INFO", "sold", pieces=Lazy(lambda: 3))

with correlation("req_1", None, baggage=Baggage.from_header("a=1")):
    assert_type(baggage(), Baggage | None)


def double(number: int) -> int:
    return 2 * number


assert_type(in_context(double)(3), int)

SOLD = Event("shop.sold", fields={"pieces": int})
SOLD.log(log, pieces=3)
check_events(events, Catalogue([SOLD]))
assert_logged(events, "shop.sold", level="INFO", pieces=3)
assert_type(next(read_files("a.log", Query(level="INFO"))), Line)


async def app(scope: Any, receive: Any, send: Any) -> None: ...


CorrelationMiddleware(app, logging=logging, access=True)
