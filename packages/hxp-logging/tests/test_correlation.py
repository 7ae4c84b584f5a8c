import asyncio
import io
import sys
from types import SimpleNamespace

import orjson
import pytest
from hxp_logging import (
    Logging,
    LoggingOptions,
    TraceContext,
    accept_request_id,
    bind_context,
    correlation,
    outgoing_headers,
    request_id,
    trace_context,
)
from hypothesis import given
from hypothesis import strategies as st

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE_ID}-{SPAN_ID}-01"


@pytest.mark.parametrize("value", ["a", "A-b.c:d_e", "x" * 128])
def test_a_safe_request_id_is_kept(value: str) -> None:
    assert accept_request_id(value) == value


@pytest.mark.parametrize("value", [None, "", "a b", "a\n", "a\r\nX: y", "x" * 129, "é", "٣", "<b>"])
def test_any_other_request_id_is_replaced(value: str | None) -> None:
    """L1, L2."""
    made = accept_request_id(value, clock=lambda: 1469918176.385, entropy=lambda size: b"\xff" * size)
    assert made == "req_01ARYZ6S41ZZZZZZZZZZZZZZZZ"


def test_the_callers_trace_is_joined() -> None:
    trace = TraceContext.from_header(HEADER, "vendor=1")
    assert trace == TraceContext(TRACE_ID, SPAN_ID, "01", "vendor=1")
    assert trace.to_header() == HEADER
    child = trace.child()
    assert (child.trace_id, child.tracestate) == (TRACE_ID, "vendor=1")
    assert child.span_id != SPAN_ID


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        HEADER.upper(),
        HEADER + "-more",
        "ff" + HEADER[2:],
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        HEADER[:-1],
        HEADER + "\n",
        " " + HEADER,
    ],
)
def test_a_malformed_trace_starts_a_new_one(header: str | None) -> None:
    trace = TraceContext.from_header(header, "vendor=1")
    assert TRACE_ID not in trace.to_header()
    assert trace.tracestate is None
    assert trace.trace_flags == "03"


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert TraceContext.from_header(f"cc-{TRACE_ID}-{SPAN_ID}-ff-what").to_header() == f"00-{TRACE_ID}-{SPAN_ID}-03"


@pytest.mark.parametrize("state", ["", "x" * 513, "a=\n"])
def test_an_unsafe_tracestate_is_dropped(state: str) -> None:
    assert TraceContext.from_header(HEADER, state).tracestate is None


def test_a_random_source_of_zeros_makes_no_invalid_trace() -> None:
    trace = TraceContext.new(entropy=bytes)
    assert TraceContext.from_header(trace.to_header()) == trace


@given(st.text(), st.text())
def test_no_header_raises(traceparent: str, tracestate: str) -> None:
    header = TraceContext.from_header(traceparent, tracestate).to_header()
    assert TraceContext.from_header(header).to_header() == header


def test_a_block_puts_request_and_trace_on_every_line() -> None:
    stream = io.StringIO()
    log = Logging(LoggingOptions(format="json"), stream=stream).get_logger("x")
    trace = TraceContext.from_header(HEADER)
    with correlation("req_1", trace), bind_context(tenant="acme"), bind_context(user="u"):
        assert (request_id(), trace_context()) == ("req_1", trace)
        log.info("inside", user="me")
    with correlation("req_2", None):
        log.info("no trace")
    log.info("outside")
    inside, no_trace, outside = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert {name: inside[name] for name in ("request_id", "trace_id", "span_id", "trace_flags")} == {
        "request_id": "req_1",
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "trace_flags": "01",
    }
    assert inside["attributes"] == {"tenant": "acme", "user": "me"}
    assert (no_trace["request_id"], "trace_id" in no_trace) == ("req_2", False)
    assert "request_id" not in outside
    assert (request_id(), trace_context()) == (None, None)


def test_two_tasks_do_not_see_each_others_request() -> None:
    async def handle(name: str, first: asyncio.Event, second: asyncio.Event) -> str | None:
        with correlation(name, None):
            first.set()
            await second.wait()
            return request_id()

    async def main() -> tuple[str | None, str | None]:
        one, two = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(handle("a", one, two), handle("b", two, one))

    assert list(asyncio.run(main())) == ["a", "b"]


def test_headers_carry_the_request_on() -> None:
    assert outgoing_headers() == {}
    with correlation("req_1", TraceContext.from_header(HEADER, "v=1")):
        assert outgoing_headers() == {"X-Request-ID": "req_1", "traceparent": HEADER, "tracestate": "v=1"}
    with correlation(None, TraceContext.from_header(HEADER)):
        assert outgoing_headers() == {"traceparent": HEADER}


@pytest.mark.parametrize("valid", [True, False])
def test_the_span_of_a_loaded_opentelemetry_is_seen(monkeypatch: pytest.MonkeyPatch, *, valid: bool) -> None:
    span = SimpleNamespace(is_valid=valid, trace_id=int(TRACE_ID, 16), span_id=int(SPAN_ID, 16), trace_flags=1)
    current = SimpleNamespace(get_span_context=lambda: span)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", SimpleNamespace(get_current_span=lambda: current))
    stream = io.StringIO()
    Logging(LoggingOptions(format="json"), stream=stream).get_logger("x").info("hi")
    assert (TRACE_ID in stream.getvalue()) == valid
    assert (trace_context() is not None) == valid
