"""Request ids and W3C trace context, in and out, without an SDK.

The header is that of https://www.w3.org/TR/trace-context-2/.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ._context import CONTEXT, Context, trace_context

if TYPE_CHECKING:
    from ._baggage import Baggage

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SAMPLED_AND_RANDOM = "03"
_KNOWN_FLAGS = 0x03
_MAX_REQUEST_ID = 256


def accept_request_id(
    value: str | None,
    *,
    clock: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> str:
    """Keep a caller's request id if it is safe everywhere, or make a new one.

    Safe is what has 1 to 128 of `A-Z a-z 0-9 . _ : -`. A new one is `req_` and a ULID.
    """
    if value is not None and _REQUEST_ID.fullmatch(value):
        return value
    number = (int(clock() * 1000) & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(entropy(10), "big")
    return "req_" + "".join([_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)])


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where in a distributed trace the program is.

    Attributes:
        trace_id: 32 lower-case hex digits.
        span_id: 16 lower-case hex digits.
        trace_flags: 2 lower-case hex digits; bit 0 says sampled, bit 1 that the trace id is random.
        tracestate: What other vendors pass along, untouched.

    Example:
        >>> trace = TraceContext.from_header("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        >>> trace.child().trace_id
        '0af7651916cd43dd8448eb211c80319c'
    """

    trace_id: str
    span_id: str
    trace_flags: str = _SAMPLED_AND_RANDOM
    tracestate: str | None = None

    @classmethod
    def new(cls, *, entropy: Callable[[int], bytes] = os.urandom) -> "TraceContext":
        """Start a trace."""
        return cls(_random_hex(16, entropy), _random_hex(8, entropy))

    @classmethod
    def from_header(
        cls,
        traceparent: str | None,
        tracestate: str | None = None,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> "TraceContext":
        """Read the caller's place in the trace; start a new trace where that is absent or malformed."""
        match = _TRACEPARENT.fullmatch(traceparent or "")
        if match is None:
            return cls.new(entropy=entropy)
        version, trace_id, span_id, flags, rest = match.groups()
        if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
            return cls.new(entropy=entropy)
        state = tracestate if tracestate and _TRACESTATE.fullmatch(tracestate) else None
        return cls(trace_id, span_id, f"{int(flags, 16) & _KNOWN_FLAGS:02x}", state)

    def child(self, *, entropy: Callable[[int], bytes] = os.urandom) -> "TraceContext":
        """Return a new span in the same trace."""
        return replace(self, span_id=_random_hex(8, entropy))

    def to_header(self) -> str:
        """Write the `traceparent` header."""
        return f"00-{self.trace_id}-{self.span_id}-{self.trace_flags}"


@contextmanager
def correlation(
    request_id: str | None, trace: TraceContext | None, *, baggage: "Baggage | None" = None
) -> Iterator[None]:
    """Put a request id and a trace on every line that the current task writes inside the block.

    Args:
        request_id: Where it came from outside, pass it through `accept_request_id` first.
        trace: None where OpenTelemetry keeps the trace: its current span is looked at for every line.
        baggage: Travels on with `outgoing_headers`; it is not written.

    Example:
        >>> with correlation(accept_request_id(None), TraceContext.new()):
        ...     sorted(outgoing_headers())
        ['X-Request-ID', 'traceparent']
    """
    from ._line import correlation_tail  # noqa: PLC0415 - the encoder is loaded with the first request, not before

    request_id = request_id and request_id[:_MAX_REQUEST_ID]
    tail = correlation_tail(request_id, trace)
    before = CONTEXT.get()
    token = CONTEXT.set(Context(before.fields, request_id, trace, baggage, tail, before.flight))
    try:
        yield
    finally:
        CONTEXT.reset(token)


def outgoing_headers(*, with_baggage: bool = True) -> dict[str, str]:
    """Return the headers that carry the current request id, trace and baggage to the next service.

    Args:
        with_baggage: Leave it out for strangers: baggage may hold what is nobody else's business.
    """
    headers = {}
    context, trace = CONTEXT.get(), trace_context()
    if context.request_id is not None:
        headers["X-Request-ID"] = context.request_id
    if trace is not None:
        headers["traceparent"] = trace.to_header()
        if trace.tracestate is not None:
            headers["tracestate"] = trace.tracestate
    if with_baggage and context.baggage and (text := context.baggage.to_header()):
        headers["baggage"] = text
    return headers


def _random_hex(size: int, entropy: Callable[[int], bytes]) -> str:
    """Random hex digits, never all zero, which the standard calls invalid."""
    return entropy(size).hex().replace("0" * size * 2, "0" * (size * 2 - 1) + "1")
