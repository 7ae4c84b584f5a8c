"""Structured, correlated logging with one door for every record."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from . import asgi, otel, reader, structlog, testing
    from ._baggage import Baggage
    from ._clean import Lazy
    from ._context import baggage, bind_context, in_context, request_id, trace_context
    from ._correlation import TraceContext, accept_request_id, correlation, outgoing_headers
    from ._default import configure, get_logger
    from ._event import Catalogue, Event
    from ._flight import Flight
    from ._level_change import LevelChange
    from ._logger import Logger
    from ._logging import Logging, LoggingStatistics
    from ._options import (
        Background,
        FileOutput,
        FlightRecorder,
        LoggingOptions,
        OtlpOutput,
        Rotation,
        Sampling,
        StreamOutput,
        SyslogOutput,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "": (
                "asgi",
                "otel",
                "reader",
                "structlog",
                "testing",
            ),
            "_baggage": ("Baggage",),
            "_clean": ("Lazy",),
            "_context": (
                "baggage",
                "bind_context",
                "in_context",
                "request_id",
                "trace_context",
            ),
            "_correlation": (
                "TraceContext",
                "accept_request_id",
                "correlation",
                "outgoing_headers",
            ),
            "_default": (
                "configure",
                "get_logger",
            ),
            "_event": (
                "Catalogue",
                "Event",
            ),
            "_flight": ("Flight",),
            "_level_change": ("LevelChange",),
            "_logger": ("Logger",),
            "_logging": (
                "Logging",
                "LoggingStatistics",
            ),
            "_options": (
                "Background",
                "FileOutput",
                "FlightRecorder",
                "LoggingOptions",
                "OtlpOutput",
                "Rotation",
                "Sampling",
                "StreamOutput",
                "SyslogOutput",
            ),
        },
    )

__all__ = [
    "Background",
    "Baggage",
    "Catalogue",
    "Event",
    "FileOutput",
    "Flight",
    "FlightRecorder",
    "Lazy",
    "LevelChange",
    "Logger",
    "Logging",
    "LoggingOptions",
    "LoggingStatistics",
    "OtlpOutput",
    "Rotation",
    "Sampling",
    "StreamOutput",
    "SyslogOutput",
    "TraceContext",
    "accept_request_id",
    "asgi",
    "baggage",
    "bind_context",
    "configure",
    "correlation",
    "get_logger",
    "in_context",
    "otel",
    "outgoing_headers",
    "reader",
    "request_id",
    "structlog",
    "testing",
    "trace_context",
]
