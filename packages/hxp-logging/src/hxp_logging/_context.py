"""What every line of the current task carries."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from ._baggage import Baggage
    from ._correlation import TraceContext
    from ._flight import Flight

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Context:
    """The request id, the trace and the baggage, and fields that were bound.

    Attributes:
        tail: The correlation as it stands at the end of a JSON line, made once per request.
        flight: Keeps the lines of this request that are below the level, should they be wanted later.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    trace: "TraceContext | None" = None
    baggage: "Baggage | None" = None
    tail: bytes = b"}\n"
    flight: "Flight | None" = None


CONTEXT: ContextVar[Context] = ContextVar("hxp_logging_context", default=Context())  # noqa: B039 - it is frozen


@contextmanager
def bind_context(**fields: Any) -> Iterator[None]:
    """Put fields on every line that the current task writes inside the block.

    Tasks that it starts inherit them, and so does a thread that runs in a copy of the context, as `asyncio.to_thread`
    does; `in_context` carries them into any other thread.

    Example:
        >>> with bind_context(tenant="acme"):
        ...     pass
    """
    context = CONTEXT.get()
    token = CONTEXT.set(replace(context, fields={**context.fields, **fields}))
    try:
        yield
    finally:
        CONTEXT.reset(token)


def in_context(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that runs, in whatever thread, with the context of the moment of this call.

    Example:
        >>> from threading import Thread
        >>> with bind_context(tenant="acme"):
        ...     thread = Thread(target=in_context(print), args=("its lines would carry the tenant",))
        >>> thread.start(); thread.join()
        its lines would carry the tenant
    """
    context = copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)

    return run


def request_id() -> str | None:
    """Return the request id of the current task."""
    return CONTEXT.get().request_id


def trace_context() -> "TraceContext | None":
    """Return the trace of the current task: the bound one, or that of the current OpenTelemetry span."""
    return CONTEXT.get().trace or span_context()


def baggage() -> "Baggage | None":
    """Return the baggage of the current task."""
    return CONTEXT.get().baggage


def span_context() -> "TraceContext | None":
    """Look at OpenTelemetry's current span, only where the program has loaded it already."""
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is None:
        return None
    span = opentelemetry.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    from ._correlation import TraceContext  # noqa: PLC0415 - the two modules need each other

    return TraceContext(f"{span.trace_id:032x}", f"{span.span_id:016x}", f"{span.trace_flags:02x}")
