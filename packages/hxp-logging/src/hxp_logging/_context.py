"""What every line of the current task carries."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._correlation import TraceContext


@dataclass(frozen=True, slots=True)
class Context:
    """The request id and the trace, and fields that were bound.

    Attributes:
        head: The correlation as it stands in a JSON line, made once per request.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    trace: "TraceContext | None" = None
    head: bytes = b""


CONTEXT: ContextVar[Context] = ContextVar("hxp_logging_context", default=Context())  # noqa: B039 - it is frozen


@contextmanager
def bind_context(**fields: Any) -> Iterator[None]:
    """Put fields on every line that the current task writes inside the block.

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


def request_id() -> str | None:
    """Return the request id of the current task."""
    return CONTEXT.get().request_id


def trace_context() -> "TraceContext | None":
    """Return the trace of the current task: the bound one, or that of the current OpenTelemetry span."""
    return CONTEXT.get().trace or _span_context()


def _span_context() -> "TraceContext | None":
    """Look at OpenTelemetry only where the program has loaded it already."""
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is None:
        return None
    span = opentelemetry.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    from ._correlation import TraceContext  # noqa: PLC0415 - the two modules need each other

    return TraceContext(f"{span.trace_id:032x}", f"{span.span_id:016x}", f"{span.trace_flags:02x}")
