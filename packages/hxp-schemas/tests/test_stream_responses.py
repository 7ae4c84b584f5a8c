import json
from typing import Any

import pydantic
import pytest
from hxp_schemas.openai import read_response_event
from hxp_schemas.stream import ResponseStream, StreamError, StreamRule
from hypothesis import given
from hypothesis import strategies as st

CREATED = {"type": "response.created", "response": {"id": "resp_1"}}
MESSAGE = {"type": "response.output_item.added", "output_index": 0, "item": {"id": "m", "type": "message"}}
PART = {
    "type": "response.content_part.added",
    "output_index": 0,
    "item_id": "m",
    "content_index": 0,
    "part": {"type": "output_text", "text": ""},
}
DELTA = {"type": "response.output_text.delta", "output_index": 0, "item_id": "m", "content_index": 0, "delta": "Hi"}
TEXT = {"type": "response.output_text.done", "output_index": 0, "item_id": "m", "content_index": 0, "text": "Hi"}
PART_DONE = PART | {"type": "response.content_part.done", "part": {"type": "output_text", "text": "Hi"}}
ITEM_DONE = MESSAGE | {"type": "response.output_item.done"}
COMPLETED = {
    "type": "response.completed",
    "response": {"id": "resp_1", "output": [{}], "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}},
}
WHOLE: list[Any] = [CREATED, MESSAGE, PART, DELTA, TEXT, PART_DONE, ITEM_DONE, COMPLETED]


def read(*events: Any) -> ResponseStream:
    stream = ResponseStream()
    for event in events:
        stream.feed(event if isinstance(event, str | bytes) else json.dumps(event))
    stream.end()
    return stream


def test_a_stream_with_its_end_is_complete() -> None:
    stream = read(*WHOLE)
    assert (stream.verdict, stream.status, stream.content_chunks) == ("complete", "completed", 1)
    assert stream.usage is not None
    assert stream.usage.total_tokens == 3


def test_done_after_the_end_is_allowed_once() -> None:
    """Some servers send it here, too."""
    assert read(*WHOLE, "[DONE]").verdict == "complete"
    assert read(*WHOLE, "[DONE]", "[DONE]").finding.rule == StreamRule.AFTER_END


def test_a_response_that_stopped_early_has_ended_as_it_should() -> None:
    stream = read(CREATED, MESSAGE, {"type": "response.incomplete", "response": {"output": []}})
    assert (stream.verdict, stream.status, stream.usage) == ("complete", "incomplete", None)


def test_an_event_that_is_new_is_let_through() -> None:
    new = {"type": "response.hologram.delta", "delta": "x"}
    assert read(*WHOLE[:3], new, *WHOLE[3:]).verdict == "complete"


@pytest.mark.parametrize("usage", [3, {"input_tokens": -1}, {"input_tokens": "x"}])
def test_usage_that_is_none_is_none(usage: object) -> None:
    assert read(*WHOLE[:-1], {**COMPLETED, "response": {"usage": usage}}).usage is None


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([{"type": "error", "message": "out of memory", "code": None}], "out of memory"),
        ([CREATED, {"type": "response.failed", "response": {"error": {"code": "x", "message": "boom"}}}], "boom"),
        ([CREATED, {"type": "response.failed", "response": {}}], "the response failed"),
        ([CREATED, {"error": {"message": "late"}}], "late"),
    ],
)
def test_an_error_in_the_stream_is_an_error(events: list[Any], message: str) -> None:
    stream = read(*events)
    assert (stream.verdict, stream.reason) == ("error", message)


def test_an_event_that_is_named_error_is_one() -> None:
    stream = ResponseStream()
    stream.feed('{"message": "boom"}', event="error")
    assert (stream.verdict, stream.reason) == ("error", "boom")


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        (["{"], "malformed"),
        (["3"], "malformed"),
        ([{}], "malformed"),
        ([{"type": 3}], "malformed"),
        ([MESSAGE], "order"),
        ([{"type": "response.in_progress"}], "order"),
        ([CREATED, CREATED], "order"),
        ([CREATED, MESSAGE, {"type": "response.in_progress"}], "order"),
        ([CREATED, MESSAGE, MESSAGE], "order"),
        ([CREATED, {"type": "response.output_item.added", "output_index": "0", "item": {"type": "x"}}], "malformed"),
        ([CREATED, {"type": "response.output_item.added", "output_index": 0, "item": {}}], "malformed"),
        ([CREATED, DELTA], "order"),
        ([CREATED, MESSAGE, DELTA], "order"),
        ([CREATED, MESSAGE, PART, PART], "order"),
        ([CREATED, MESSAGE, {**PART, "part": {}}], "malformed"),
        ([CREATED, MESSAGE, {**PART, "item_id": "other"}], "mismatch"),
        ([CREATED, MESSAGE, PART, {**DELTA, "delta": 3}], "malformed"),
        ([CREATED, MESSAGE, PART, DELTA, {**TEXT, "text": "Ho"}], "mismatch"),
        ([CREATED, MESSAGE, PART, DELTA, TEXT, DELTA], "order"),
        ([CREATED, MESSAGE, PART, DELTA, {**PART_DONE, "part": {"type": "output_text", "text": "Ho"}}], "mismatch"),
        ([CREATED, MESSAGE, PART, {**DELTA, "type": "response.refusal.delta"}], "order"),
        ([CREATED, MESSAGE, PART, {**DELTA, "type": "response.function_call_arguments.delta"}], "order"),
        ([CREATED, MESSAGE, PART_DONE], "order"),
        ([CREATED, MESSAGE, PART, ITEM_DONE], "order"),
        ([CREATED, MESSAGE, {**ITEM_DONE, "item": {"id": "x", "type": "message"}}], "mismatch"),
        ([CREATED, MESSAGE, COMPLETED], "order"),
        ([*WHOLE[:-1], {**COMPLETED, "response": {"output": []}}], "mismatch"),
        ([*WHOLE[:-1], {**COMPLETED, "response": 3}], "malformed"),
        ([*WHOLE, DELTA], "after_end"),
        ([CREATED | {"sequence_number": 0}, MESSAGE], "sequence"),
        ([CREATED, MESSAGE | {"sequence_number": 1}], "sequence"),
        ([CREATED | {"sequence_number": 0}, MESSAGE | {"sequence_number": 2}], "sequence"),
    ],
)
def test_what_no_stream_may_say_is_illegal_where_it_is_said(events: list[Any], rule: str) -> None:
    """U3."""
    finding = read(*events).finding
    assert (finding.verdict, finding.rule, finding.event) == ("illegal", rule, len(events) - 1)


def test_the_name_of_an_event_is_its_type() -> None:
    stream = ResponseStream()
    stream.feed(json.dumps(CREATED), event="response.completed")
    assert stream.finding.rule == StreamRule.MISMATCH


def test_done_does_not_stand_for_the_end() -> None:
    assert read(CREATED, "[DONE]").reason == "the stream stopped before response.completed, at [DONE]"
    assert read("[DONE]").verdict == "truncated"


@pytest.mark.parametrize(
    "data", ['["secret"]', '"secret"', "secret", '{"type": ["secret"]}', '{"type": 3, "delta": "secret"}']
)
def test_an_event_that_is_none_is_refused_without_being_quoted(data: str) -> None:
    """L6: what a model said stays out of errors."""
    with pytest.raises(pydantic.ValidationError) as caught:
        read_response_event(data)
    assert "secret" not in str(caught.value)


def test_whoever_needs_the_whole_gets_a_typed_error_with_the_place() -> None:
    stream = ResponseStream()
    stream.feed(json.dumps(CREATED), offset=0)
    stream.feed(json.dumps(DELTA), offset=80)
    with pytest.raises(StreamError, match=r"^illegal: response.output_text.delta for item 0, .* \(event 1, byte 80\)$"):
        stream.require_complete()


@pytest.mark.parametrize("index", [[], {}, [0], {"a": []}, None, True, 0.5, "0"])
@pytest.mark.parametrize("name", ["output_index", "content_index"])
@pytest.mark.parametrize("event", [DELTA, TEXT, PART_DONE])
def test_an_index_that_is_none_is_illegal_and_never_raises(event: dict[str, Any], name: str, index: object) -> None:
    finding = read(CREATED, MESSAGE, PART, {**event, name: index}).finding
    assert (finding.verdict, finding.event) == ("illegal", 3)


@pytest.mark.parametrize("index", [[], {}, True, 0.5, "0", -1, 1 << 20])
def test_an_item_and_a_part_have_an_index_within_bounds(index: object) -> None:
    """U3: what an upstream counts is bounded."""
    for events in ([CREATED, {**MESSAGE, "output_index": index}], [CREATED, MESSAGE, {**PART, "content_index": index}]):
        assert read(*events).finding.rule == StreamRule.MALFORMED


@pytest.mark.parametrize(("kind", "name"), [("function_call", "arguments"), ("custom_tool_call", "input")])
def test_a_call_that_is_done_holds_the_sum_of_its_deltas(kind: str, name: str) -> None:
    grows = "function_call_arguments" if kind == "function_call" else "custom_tool_call_input"
    item = {"id": "c", "type": kind, "call_id": "call_1", "name": "f", name: ""}
    added = {"type": "response.output_item.added", "output_index": 0, "item": item}
    delta = {"type": f"response.{grows}.delta", "output_index": 0, "item_id": "c", "delta": "{}"}
    for said, verdict in (("{}", "complete"), ("{", "illegal")):
        done = {"type": "response.output_item.done", "output_index": 0, "item": {**item, name: said}}
        assert read(CREATED, added, delta, done, COMPLETED).verdict == verdict


def test_a_reason_is_bounded_and_on_one_line() -> None:
    """L1, L3: a type of an event is what an upstream says."""
    for events in ([{"type": "a\r\nb" * 10_000}], [*WHOLE, {"type": "a\r\nb" * 10_000}]):
        reason = read(*events).reason
        assert len(reason) <= 2_000
        assert not {"\r", "\n"} & set(reason)


def test_a_numbered_event_has_a_whole_number() -> None:
    finding = read(CREATED | {"sequence_number": 0}, MESSAGE | {"sequence_number": True}).finding
    assert finding.rule == StreamRule.SEQUENCE


@given(st.lists(st.sampled_from([*WHOLE, "[DONE]", "{", {"type": "error", "message": "x"}]) | st.text() | st.binary()))
def test_nothing_that_is_fed_raises(events: list[Any]) -> None:
    assert read(*events).verdict in {"complete", "truncated", "illegal", "error"}


NAMES: list[Any] = [*(event["type"] for event in WHOLE), "response.reasoning_text.delta"]
VALUES: st.SearchStrategy[Any] = (
    st.none() | st.integers(-1, 2) | st.text(max_size=2) | st.just({"type": "message", "id": []})
)
FIELDS = ("output_index", "item_id", "content_index", "item", "part", "delta", "text", "response")


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(FIELDS), VALUES))))
def test_no_wrong_field_raises(events: list[Any]) -> None:
    said = [{"type": name, **fields} for name, fields in events]
    assert read(CREATED, *said).verdict in {"complete", "truncated", "illegal", "error"}


@given(st.integers(1, len(WHOLE) - 1), st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1))
def test_no_wrong_field_in_a_good_stream_raises(place: int, fields: dict[str, Any]) -> None:
    wrong = [*WHOLE[:place], WHOLE[place] | fields, *WHOLE[place + 1 :]]
    assert read(*wrong).verdict in {"complete", "truncated", "illegal", "error"}
