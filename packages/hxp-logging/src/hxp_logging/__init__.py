"""Structured, correlated logging with one door for every record."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from . import testing
    from ._context import bind_context, request_id, trace_context
    from ._correlation import TraceContext, accept_request_id, correlation, outgoing_headers
    from ._default import configure, get_logger
    from ._logger import Logger
    from ._logging import Logging, LoggingStatistics
    from ._options import LoggingOptions
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "": ("testing",),
            "_context": ("bind_context", "request_id", "trace_context"),
            "_correlation": ("TraceContext", "accept_request_id", "correlation", "outgoing_headers"),
            "_default": ("configure", "get_logger"),
            "_logger": ("Logger",),
            "_logging": ("Logging", "LoggingStatistics"),
            "_options": ("LoggingOptions",),
        },
    )

__all__ = [
    "Logger",
    "Logging",
    "LoggingOptions",
    "LoggingStatistics",
    "TraceContext",
    "accept_request_id",
    "bind_context",
    "configure",
    "correlation",
    "get_logger",
    "outgoing_headers",
    "request_id",
    "testing",
    "trace_context",
]
