"""Legal streams, and every cut, swap and duplication of them."""

import json
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pytest
from hxp_schemas.sse import SSEDecoder, encode
from hxp_schemas.stream import ChatStream, ResponseStream, StreamMachine, StreamRule

Event = dict[str, Any] | str


def chat(index: int, delta: dict[str, Any], finish_reason: str | None = None) -> Event:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


def call(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"tool_calls": [{"index": index, "function": function} | ({"id": f"call_{index}"} if name else {})]}


CHAT: list[Event] = [
    chat(0, {"role": "assistant", "content": ""}),
    chat(0, {"content": "Hello"}),
    chat(1, {"role": "assistant", "content": "One"}),
    chat(0, {"content": " you"}),
    chat(0, call(0, "", "weather")),
    chat(0, call(0, '{"city":')),
    chat(0, call(1, "", "time")),
    chat(0, call(0, '"Rome"}')),
    chat(1, {}, "length"),
    chat(0, {}, "tool_calls"),
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10}},
    "[DONE]",
]


def responses(*, numbered: bool) -> list[Event]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    thought = {"id": "rs_1", "type": "reasoning", "summary": []}
    function = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "weather", "arguments": ""}
    text = {"type": "output_text", "text": "", "annotations": []}
    whole = {"id": "resp_1", "output": [thought, message, function], "usage": {"input_tokens": 1, "output_tokens": 2}}

    def at(output: int, item: str, **more: Any) -> dict[str, Any]:
        return {"output_index": output, "item_id": item, **more}

    events: list[tuple[str, dict[str, Any]]] = [
        ("created", {"response": {"id": "resp_1", "output": []}}),
        ("in_progress", {"response": {"id": "resp_1", "output": []}}),
        ("output_item.added", {"output_index": 0, "item": thought}),
        ("reasoning_summary_part.added", at(0, "rs_1", summary_index=0, part={"type": "summary_text", "text": ""})),
        ("reasoning_summary_text.delta", at(0, "rs_1", summary_index=0, delta="I think")),
        ("reasoning_summary_text.done", at(0, "rs_1", summary_index=0, text="I think")),
        (
            "reasoning_summary_part.done",
            at(0, "rs_1", summary_index=0, part={"type": "summary_text", "text": "I think"}),
        ),
        ("reasoning_text.delta", at(0, "rs_1", content_index=0, delta="Hm")),
        ("reasoning_text.done", at(0, "rs_1", content_index=0, text="Hm")),
        ("output_item.done", {"output_index": 0, "item": thought}),
        ("output_item.added", {"output_index": 1, "item": message}),
        ("content_part.added", at(1, "msg_1", content_index=0, part=text)),
        ("output_text.delta", at(1, "msg_1", content_index=0, delta="Hel")),
        ("output_text.delta", at(1, "msg_1", content_index=0, delta="lo")),
        ("output_text.done", at(1, "msg_1", content_index=0, text="Hello")),
        ("content_part.done", at(1, "msg_1", content_index=0, part=text | {"text": "Hello"})),
        ("content_part.added", at(1, "msg_1", content_index=1, part={"type": "refusal", "refusal": ""})),
        ("refusal.delta", at(1, "msg_1", content_index=1, delta="No.")),
        ("refusal.done", at(1, "msg_1", content_index=1, refusal="No.")),
        ("content_part.done", at(1, "msg_1", content_index=1, part={"type": "refusal", "refusal": "No."})),
        ("output_item.done", {"output_index": 1, "item": message}),
        ("output_item.added", {"output_index": 2, "item": function}),
        ("function_call_arguments.delta", at(2, "fc_1", delta="{")),
        ("function_call_arguments.delta", at(2, "fc_1", delta="}")),
        ("function_call_arguments.done", at(2, "fc_1", arguments="{}")),
        ("output_item.done", {"output_index": 2, "item": function | {"arguments": "{}"}}),
        ("completed", {"response": whole}),
    ]
    return [
        {"type": f"response.{kind}", **({"sequence_number": number} if numbered else {}), **rest}
        for number, (kind, rest) in enumerate(events)
    ]


STREAMS: list[tuple[str, Callable[[], StreamMachine], list[Event]]] = [
    ("chat", ChatStream, CHAT),
    ("responses", ResponseStream, responses(numbered=True)),
    ("responses without numbers", ResponseStream, responses(numbered=False)),
]
EACH = pytest.mark.parametrize(("machine", "events"), [case[1:] for case in STREAMS], ids=[case[0] for case in STREAMS])


def run(machine: Callable[[], StreamMachine], events: list[Event]) -> StreamMachine:
    stream = machine()
    for event in events:
        stream.feed(event if isinstance(event, str) else json.dumps(event))
    stream.end()
    return stream


def swaps(events: list[Event]) -> Iterator[list[Event]]:
    for i, j in combinations(range(len(events)), 2):
        changed = list(events)
        changed[i], changed[j] = changed[j], changed[i]
        yield changed


def moved_copies(events: list[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Every event once more, at every place."""
    for i, event in enumerate(events):
        for place in range(len(events) + 1):
            yield i, [*events[:place], event, *events[place:]]


def is_legal_chat(events: list[Event]) -> bool:
    """The rules of a chat stream, told as facts about the whole of it instead of step by step."""
    if events.count("[DONE]") != 1 or events[-1] != "[DONE]":
        return False
    spoken: dict[int, list[int]] = {}
    ended: dict[int, list[int]] = {}
    calls: dict[tuple[int, int], list[bool]] = {}
    for place, event in enumerate(events[:-1]):
        assert isinstance(event, dict)
        for choice in event["choices"]:
            index, delta = choice["index"], choice["delta"]
            if delta.get("content") or delta.get("tool_calls"):
                spoken.setdefault(index, []).append(place)
            if choice["finish_reason"]:
                ended.setdefault(index, []).append(place)
            for piece in delta.get("tool_calls", ()):
                calls.setdefault((index, piece["index"]), []).append("name" in piece["function"])
    in_order = all(max(places) < min(ended.get(index, [-1])) for index, places in spoken.items())
    return in_order and ended.keys() == {0, 1} and all(named[0] for named in calls.values())


@EACH
def test_the_whole_is_complete(machine: Callable[[], StreamMachine], events: list[Event]) -> None:
    stream = run(machine, events)
    assert (stream.verdict, stream.reason) == ("complete", "")
    stream.require_complete()


@EACH
def test_every_cut_is_truncated_and_names_the_missing_event(
    machine: Callable[[], StreamMachine], events: list[Event]
) -> None:
    """U2."""
    for length in range(len(events)):
        finding = run(machine, events[:length]).finding
        assert (finding.verdict, finding.rule, finding.event) == ("truncated", StreamRule.UNFINISHED, length)


@EACH
def test_every_cut_between_two_bytes_is_truncated(machine: Callable[[], StreamMachine], events: list[Event]) -> None:
    """U2: also in the middle of an event."""
    wire = b"".join(
        encode(
            event if isinstance(event, str) else json.dumps(event),
            None if isinstance(event, str) else event.get("type"),
        )
        for event in events
    )
    for length in range(0, len(wire), 1 if len(wire) < 2_000 else 7):
        stream = machine()
        for told in SSEDecoder().feed(wire[:length]):
            stream.read(told)
        assert stream.verdict == "truncated", wire[:length]
    whole = machine()
    for told in SSEDecoder().feed(wire):
        whole.read(told)
    assert whole.verdict == "complete"


def test_every_swap_in_a_chat_is_judged_by_the_rules() -> None:
    verdicts = set()
    for changed in swaps(CHAT):
        stream = run(ChatStream, changed)
        verdicts.add(stream.verdict)
        assert (stream.verdict == "complete") == is_legal_chat(changed), (changed, stream.reason)
    assert verdicts == {"complete", "illegal"}


def test_every_copy_in_a_chat_is_judged_by_the_rules() -> None:
    for _, changed in moved_copies(CHAT):
        stream = run(ChatStream, changed)
        assert (stream.verdict == "complete") == is_legal_chat(changed), (changed, stream.reason)


def test_every_loss_in_a_chat_is_judged_by_the_rules() -> None:
    for index in range(len(CHAT)):
        changed = [*CHAT[:index], *CHAT[index + 1 :]]
        assert (run(ChatStream, changed).verdict == "complete") == is_legal_chat(changed)


def test_with_numbers_every_swap_copy_and_loss_is_found_where_it_happens() -> None:
    events = responses(numbered=True)
    for changed in swaps(events):
        finding = run(ResponseStream, changed).finding
        first = next(place for place, event in enumerate(events) if event != changed[place])
        assert finding.verdict == "illegal"
        assert finding.event is not None
        assert finding.event <= first + 1
    for _, changed in moved_copies(events):
        assert run(ResponseStream, changed).verdict == "illegal"
    for index in range(1, len(events) - 1):
        finding = run(ResponseStream, [*events[:index], *events[index + 1 :]]).finding
        assert (finding.verdict, finding.rule, finding.event) == ("illegal", StreamRule.SEQUENCE, index)


def test_without_numbers_what_passes_says_the_same() -> None:
    """A swap of independent events changes nothing; anything else is found."""
    events = responses(numbered=False)

    def texts(stream: list[Event]) -> dict[str, str]:
        said: dict[str, str] = {}
        for event in stream:
            if isinstance(event, dict) and "delta" in event:
                key = f"{event['type']} {event['output_index']} {event.get('content_index')}"
                said[key] = said.get(key, "") + event["delta"]
        return said

    passed = 0
    for changed in swaps(events):
        if run(ResponseStream, changed).verdict == "complete":
            passed += 1
            assert texts(changed) == texts(events)
    assert passed < 40  # of 351
    for index, changed in moved_copies(events):
        if run(ResponseStream, changed).verdict == "complete":
            event = events[index]
            assert isinstance(event, dict)
            assert event["type"] == "response.in_progress"
    harmless = {"response.in_progress"}
    for index, event in enumerate(events):
        assert isinstance(event, dict)
        verdict = run(ResponseStream, [*events[:index], *events[index + 1 :]]).verdict
        assert verdict != "complete" or event["type"] in harmless or event["type"].endswith("done"), event
