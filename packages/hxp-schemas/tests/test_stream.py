import json
from typing import Any

import pytest
from hxp_schemas.sse import SSEDecoder
from hxp_schemas.stream import ChatStream, StreamError, StreamRule
from hypothesis import given
from hypothesis import strategies as st

ROLE: dict[str, Any] = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
WORD: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]}
STOP: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
DONE = "[DONE]"


def read(*chunks: Any) -> ChatStream:
    stream = ChatStream()
    for chunk in chunks:
        stream.feed(chunk if isinstance(chunk, str | bytes) else json.dumps(chunk))
    stream.end()
    return stream


def test_a_stream_with_its_end_is_complete() -> None:
    stream = read(ROLE, WORD, WORD, STOP, USAGE, DONE)
    assert (stream.verdict, stream.reason) == ("complete", "")
    assert stream.content_chunks == 2
    assert stream.finish_reasons == {0: "stop"}
    assert stream.usage is not None
    assert stream.usage.total_tokens == 3


def test_bytes_are_as_good_as_text() -> None:
    assert read(json.dumps(STOP).encode(), b"[DONE]").verdict == "complete"


def test_a_completion_stream_is_read_too() -> None:
    stream = read({"choices": [{"index": 0, "text": "x", "finish_reason": "length"}]}, DONE)
    assert (stream.verdict, stream.content_chunks) == ("complete", 1)


def test_every_choice_must_finish() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "x"}}]}
    assert read(WORD, other, STOP, DONE).reason == "choice 1 has no finish_reason"
    end = {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]}
    assert read(WORD, other, STOP, end, DONE).verdict == "complete"


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([], "no choice"),
        ([DONE], "no choice"),
        ([USAGE, DONE], "no choice"),
        ([ROLE, WORD], "no finish_reason"),
        ([ROLE, WORD, DONE], "no finish_reason"),
        ([ROLE, WORD, STOP], "stopped before [DONE]"),
    ],
)
def test_a_stream_that_stops_early_is_truncated(chunks: list[Any], reason: str) -> None:
    """U2: no false end."""
    stream = read(*chunks)
    assert stream.verdict == "truncated"
    assert reason in stream.reason


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        (["{"], "not JSON"),
        ([b"\xff"], "not JSON"),
        (["3"], "not an object"),
        ([{}], "no list of choices"),
        ([{"choices": 3}], "no list of choices"),
        ([{"choices": [3]}], "index"),
        ([{"choices": [{"index": -1}]}], "index"),
        ([{"choices": [{"index": 128}]}], "index"),
        ([{"choices": [{"index": True}]}], "index"),
        ([{"choices": [{"index": "0"}]}], "index"),
        ([STOP, WORD], "goes on after"),
        ([STOP, DONE, WORD], "after the end"),
        ([STOP, DONE, DONE], "after the end"),
        ([STOP, {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}], "two finish_reasons"),
        ([{"choices": [{"index": 0, "delta": {"tool_calls": [3]}}]}], "tool call is not an object"),
        ([{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": -1}]}}]}], "tool call is not an object"),
        ([{"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": "x"}}]}}]}], "with its name"),
    ],
)
def test_what_no_stream_may_say_is_illegal(chunks: list[Any], reason: str) -> None:
    """U3."""
    stream = read(*chunks)
    assert stream.verdict == "illegal"
    assert reason in stream.reason


def test_usage_that_was_asked_for_must_come() -> None:
    for chunks, verdict in (([STOP, DONE], "truncated"), ([STOP, USAGE, DONE], "complete")):
        stream = ChatStream(expect_usage=True)
        for chunk in chunks:
            stream.feed(chunk if isinstance(chunk, str) else json.dumps(chunk))
        assert stream.verdict == verdict
    assert ChatStream(expect_usage=True).finding.rule == StreamRule.UNFINISHED


def test_a_finding_says_where() -> None:
    stream = ChatStream()
    for event in SSEDecoder().feed(b': hello\n\ndata: {"choices": []}\n\n: x\ndata: {}\n\ndata: [DONE]\n\n'):
        stream.read(event)
    finding = stream.finding
    assert (finding.rule, finding.event, finding.offset) == (StreamRule.MALFORMED, 1, 32)
    assert str(finding) == "illegal: a chunk has no list of choices (event 1, byte 32)"
    with pytest.raises(StreamError, match="event 1, byte 32") as caught:
        stream.require_complete()
    assert caught.value.finding is finding
    assert str(read(STOP, DONE).finding) == "complete"


def test_an_event_that_is_named_error_is_one() -> None:
    stream = ChatStream()
    stream.feed('{"message": "boom"}', event="error")
    assert (stream.verdict, stream.reason) == ("error", "boom")


@pytest.mark.parametrize("data", ["boom", "", "[1, 2]", '"boom"'])
def test_an_event_that_is_named_error_is_one_whatever_it_holds(data: str) -> None:
    stream = ChatStream()
    stream.feed(json.dumps(ROLE))
    stream.feed(data, event="error")
    assert (stream.verdict, stream.finding.rule, stream.finding.event) == ("error", StreamRule.REPORTED, 1)


def test_a_tool_call_without_an_index_is_the_first() -> None:
    def piece(**call: Any) -> dict[str, Any]:
        return {"choices": [{"delta": {"tool_calls": [call]}}]}

    named, more = {"name": "f", "arguments": ""}, {"arguments": "{}"}
    whole = [piece(function=named), piece(index=0, function=more), piece(function=more)]
    assert read(*whole, STOP, DONE).verdict == "complete"
    assert read(piece(function=named), piece(index=1, function=more), STOP, DONE).verdict == "illegal"
    gap = [piece(index=0, function=named), piece(index=7, custom={"name": "c", "input": ""})]
    assert read(*gap, piece(index=7, custom={"input": "x"}), STOP, DONE).verdict == "complete"


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_an_answer_that_failed_is_no_complete_one(reason: str) -> None:
    """U2: OpenRouter and Mistral say `error` here, vLLM `abort`; `[DONE]` may come all the same."""
    stream = read(WORD, {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}, DONE)
    assert (stream.verdict, stream.reason) == ("error", f"choice 0 ended with finish_reason '{reason}'")


def test_an_error_within_a_choice_is_an_error() -> None:
    """U2: as OpenRouter tells that the server behind it failed."""
    failed = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "lost"}}
    stream = read(WORD, {"choices": [failed]}, DONE)
    assert (stream.verdict, stream.reason) == ("error", "lost")


def test_data_after_the_transport_ended_is_illegal() -> None:
    stream = read(STOP)
    stream.feed(DONE)
    assert stream.verdict == "illegal"


@pytest.mark.parametrize(
    ("error", "reason"),
    [({"message": "out of memory", "code": 500}, "out of memory"), ("boom", "boom"), ({"x": 1}, "reported an error")],
)
def test_an_error_in_the_stream_is_an_error(error: object, reason: str) -> None:
    stream = read(ROLE, WORD, json.dumps({"error": error}).encode(), DONE)
    assert stream.verdict == "error"
    assert reason in stream.reason


def test_the_older_form_of_an_error_is_one_too() -> None:
    stream = read(ROLE, {"object": "error", "message": "out of memory", "type": "x", "code": 400})
    assert (stream.verdict, stream.reason) == ("error", "out of memory")


@pytest.mark.parametrize("usage", [3, "x", {"prompt_tokens": -1}, {"prompt_tokens": "many"}])
def test_usage_that_is_none_is_none(usage: object) -> None:
    assert read(STOP, {"choices": [], "usage": usage}, DONE).usage is None


def test_a_stream_without_usage_has_none() -> None:
    assert read(WORD, STOP | {"usage": None}, DONE).usage is None


@given(st.lists(st.sampled_from([ROLE, WORD, STOP, USAGE, DONE, "{", {"error": "x"}]) | st.text() | st.binary()))
def test_nothing_that_is_fed_raises(chunks: list[Any]) -> None:
    assert read(*chunks).verdict in {"complete", "truncated", "illegal", "error"}


def chunk_of(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """A chunk of choices that have the delta given, unless their own fields say otherwise."""
    return {"choices": [{"index": 0, "delta": delta, **fields} for fields, delta in pairs]}


WRONG: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.text(max_size=2) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["index", "name", "x"]), inner),
    max_leaves=4,
)
CHUNK_FIELDS = st.sampled_from(["choices", "usage", "error", "object", "id"])
CHOICE_FIELDS = st.sampled_from(["index", "delta", "finish_reason", "text", "error"])
DELTA_FIELDS = st.sampled_from(["content", "role", "tool_calls", "reasoning"])
CALL_FIELDS = st.sampled_from(["index", "function", "custom", "id"])
CALLS = st.lists(st.dictionaries(CALL_FIELDS, WRONG) | WRONG, max_size=2)
DELTAS = st.dictionaries(DELTA_FIELDS, WRONG) | CALLS.map(lambda calls: {"tool_calls": calls})
CHOICES = st.lists(st.tuples(st.dictionaries(CHOICE_FIELDS, WRONG), DELTAS), max_size=2)


@given(st.lists(st.dictionaries(CHUNK_FIELDS, WRONG) | CHOICES.map(chunk_of), max_size=5))
def test_no_wrong_field_raises(chunks: list[Any]) -> None:
    stream = read(ROLE, *chunks, DONE)
    assert stream.verdict in {"complete", "truncated", "illegal", "error"}
    assert stream.usage is None or stream.usage.total_tokens >= 0
