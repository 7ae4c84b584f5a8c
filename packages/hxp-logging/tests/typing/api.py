"""A user's file: it is type-checked and never run."""

from collections.abc import Callable
from typing import Any, assert_type

from hxp_logging import (
    Logger,
    Logging,
    LoggingOptions,
    LoggingStatistics,
    TraceContext,
    accept_request_id,
    bind_context,
    configure,
    correlation,
    get_logger,
    outgoing_headers,
    request_id,
    trace_context,
)
from hxp_logging.testing import capture

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
