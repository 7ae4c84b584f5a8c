"""The tap: events pass whole and untouched, and what they say of tokens and ends is seen."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hxp_schemas import sse
from hxp_services_base import GarbageStreamError, StreamEnd, StreamTap, TokenCount, token_count
from hxp_services_base._tap import MAX_EVENT
from hypothesis import given
from hypothesis import strategies as st


def event(**fields: object) -> bytes:
    return b"data: " + orjson.dumps(fields) + b"\n\n"


def content(text: str) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])


FINISH = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
USAGE = event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2})
DONE = b"data: [DONE]\n\n"
STREAM = content("a") + content('"usage":{ "finish_reason":"x" data: [DONE]') + FINISH + USAGE + DONE


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=12))
def test_any_split_passes_the_same_bytes_and_sees_the_same_things(cuts: list[int]) -> None:
    tap = StreamTap()
    edges = [0, *sorted(set(cuts)), len(STREAM)]
    pieces = [tap.feed(STREAM[a:b]) for a, b in pairwise(edges)]
    assert b"".join(pieces) == STREAM
    assert all(piece.endswith(b"\n\n") for piece in pieces if piece)
    assert tap.end is StreamEnd.COMPLETE
    assert tap.tokens == TokenCount(3, 2, is_exact=True)
    assert tap.content_events == 2


@given(st.integers(0, len(STREAM) - len(DONE)))
def test_a_stream_cut_anywhere_before_its_end_is_not_complete(cut: int) -> None:
    tap = StreamTap()
    tap.feed(STREAM[:cut])
    assert tap.end is StreamEnd.OPEN


def test_usage_that_was_not_asked_for_is_left_out_and_counted_all_the_same() -> None:
    tap = StreamTap(strip_usage=True)
    assert tap.feed(STREAM) == STREAM.replace(USAGE, b"")
    assert tap.tokens.completion == 2
    assert StreamTap(strip_usage=True).feed(USAGE) == b""


def test_without_usage_each_content_event_counts_as_a_token() -> None:
    tap = StreamTap()
    tap.feed(content("a") * 5)
    assert tap.tokens == TokenCount(0, 5, is_exact=False)


def test_an_error_inside_the_stream_is_seen() -> None:
    tap = StreamTap()
    tap.feed(event(error={"message": "boom", "code": "x"}) + DONE)
    assert tap.end is StreamEnd.ERROR
    assert tap.error == {"message": "boom", "code": "x"}
    assert tap.done


def test_spaces_in_the_json_and_carriage_returns_change_nothing() -> None:
    tap = StreamTap()
    tap.feed(b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}\r\n\r\n')
    tap.feed(b'data: {"choices": [{"finish_reason": "stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n')
    assert tap.end is StreamEnd.COMPLETE
    assert tap.content_events == 1


def test_one_bad_line_does_not_kill_a_good_stream() -> None:
    tap = StreamTap()
    noise = b": a comment\n\ndata: {broken\n\ndata: [1]\n\nevent: ping\n\n"
    assert tap.feed(noise + STREAM) == noise + STREAM
    assert tap.end is StreamEnd.COMPLETE


def test_an_event_without_an_end_is_garbage() -> None:
    tap = StreamTap()
    tap.feed(b"x" * MAX_EVENT)
    with pytest.raises(GarbageStreamError, match="an event is longer than"):
        tap.feed(b"x")


# Every legal framing is read, and what is missing at the end is added


def fed(data: bytes, cuts: list[int], **options: bool) -> tuple[StreamTap, bytes]:
    tap = StreamTap(**options)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    passed = b"".join([tap.feed(data[a:b]) for a, b in pairwise(edges)])
    return tap, passed + tap.finish()


def respelled(stream: bytes, line_end: bytes, *, space: bytes, head: bytes, split: bool) -> bytes:
    """The same events as another server would frame them."""
    events = [block.removeprefix(b"data: ") for block in stream.split(b"\n\n") if block]
    framed = []
    for payload in events:
        lines = [b"data:" + space + payload]
        if split and payload.startswith(b'{"choices"'):
            at = payload.index(b":") + 1
            lines = [b"data:" + space + payload[:at], b"data:" + space + payload[at:]]
        framed.append(line_end.join([head, *lines]) if head else line_end.join(lines))
    return (line_end * 2).join(framed) + line_end * 2


@given(
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b"", b" "]),
    st.sampled_from([b"", b"id: 7", b": comment", b"retry: 3000"]),
    st.sets(st.sampled_from(["two data lines", "byte order mark", "no last blank line"])),
    st.lists(st.integers(1, 600), max_size=12),
)
def test_every_legal_framing_in_any_split_is_read(
    line_end: bytes, space: bytes, head: bytes, quirks: set[str], cuts: list[int]
) -> None:
    """U9."""
    data = respelled(STREAM, line_end, space=space, head=head, split="two data lines" in quirks)
    if "byte order mark" in quirks:
        data = b"\xef\xbb\xbf" + data
    if "no last blank line" in quirks:
        data = data.removesuffix(line_end * 2)
    tap, passed = fed(data, cuts)
    assert (tap.end, tap.tokens, tap.content_events) == (StreamEnd.COMPLETE, TokenCount(3, 2, is_exact=True), 2)
    payloads = [read.data for read in sse.SSEDecoder().feed(passed)]
    expected = [read.data for read in sse.SSEDecoder().feed(STREAM)]
    assert [payload.replace("\n", "") for payload in payloads] == expected


def test_an_answer_with_a_finish_reason_and_no_done_is_complete_and_given_its_end() -> None:
    tap, passed = fed(content("a") + FINISH + USAGE, [])
    assert tap.end is StreamEnd.COMPLETE
    assert passed == content("a") + FINISH + USAGE + DONE


def test_a_stream_without_a_finish_reason_is_given_no_end() -> None:
    for stream in (content("a"), content("a") + DONE, b"", DONE):
        tap, passed = fed(stream, [])
        assert (tap.end, passed) == (StreamEnd.OPEN, stream.replace(DONE, b""))  # whoever judges it says so first


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_nothing_follows_the_end(line_end: bytes) -> None:
    stream = (content("a") + FINISH + DONE).replace(b"\n", line_end)
    more = (content("b") * 3 + FINISH + USAGE).replace(b"\n", line_end)
    for cuts in ([], [len(stream)], [len(stream) + 5]):
        tap, passed = fed(stream + more, cuts)
        assert (tap.end, passed) == (StreamEnd.COMPLETE, content("a") + FINISH + DONE)
        assert tap.tokens == TokenCount(0, 1, is_exact=False)


@pytest.mark.parametrize("choices", [5, True, "x", {"a": 1}])
def test_choices_that_are_no_list_are_garbage(choices: object) -> None:
    with pytest.raises(GarbageStreamError, match="no list"):
        fed(event(choices=choices), [])


@pytest.mark.parametrize(
    "told", [{}, {"prompt_tokens": 3, "total_tokens": 53}, {"prompt_tokens": 3, "completion_tokens": 0}]
)
def test_a_usage_that_leaves_out_what_went_by_is_no_count(told: dict[str, int]) -> None:
    tap, _ = fed(content("a") * 5 + FINISH + event(choices=[], usage=told) + DONE, [])
    assert tap.tokens == TokenCount(0, 5, is_exact=False)


def test_every_choice_must_finish() -> None:
    other = event(choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": None}])
    tap, _ = fed(content("a") + other + FINISH + DONE, [])
    assert tap.end is StreamEnd.OPEN


def test_choices_may_share_an_event() -> None:
    reasons: dict[int, str | None] = {0: None, 1: "stop"}
    choices: list[dict[str, object]] = [
        {"index": index, "delta": {}, "finish_reason": reason} for index, reason in reasons.items()
    ]
    tap, _ = fed(content("a") + event(choices=choices) + FINISH + DONE, [])
    assert tap.end is StreamEnd.COMPLETE


def test_a_last_event_that_is_torn_is_dropped() -> None:
    tap, passed = fed(content("a") + content("b")[:-8], [])
    assert (tap.end, passed) == (StreamEnd.OPEN, content("a"))


@pytest.mark.parametrize("strip", [True, False])
def test_the_usages_of_several_choices_are_one_event_with_their_sum(*, strip: bool) -> None:
    choices = [
        event(choices=[{"index": index, "delta": delta, "finish_reason": reason}])
        for index in range(3)
        for delta, reason in (({"content": "a"}, None), ({}, "stop"))
    ]
    usages = [event(choices=[], usage={"prompt_tokens": 14, "completion_tokens": 5, "x": 1})] * 3
    stream = b"".join(one for three in zip(choices[::2], choices[1::2], usages, strict=True) for one in three)
    tap, passed = fed(stream + DONE, [], strip_usage=strip)
    assert tap.tokens == TokenCount(14, 15, is_exact=True)
    told = [orjson.loads(read.data)["usage"] for read in sse.SSEDecoder().feed(passed) if '"usage"' in read.data]
    expected = {"prompt_tokens": 14, "completion_tokens": 15, "total_tokens": 29, "x": 1}
    assert told == ([] if strip else [expected])
    assert passed.endswith(DONE)


def test_usage_that_grows_in_every_chunk_counts_once_for_each_choice() -> None:
    def chunk(index: int, completion: int, reason: str | None) -> bytes:
        choice = {"index": index, "delta": {"content": "a"}, "finish_reason": reason}
        return event(choices=[choice], usage={"prompt_tokens": 4, "completion_tokens": completion})

    chunks = [chunk(0, 1, None), chunk(1, 1, None), chunk(0, 2, "stop"), chunk(1, 2, "stop")]
    tap, _ = fed(b"".join(chunks) + DONE, [])
    assert tap.tokens == TokenCount(4, 4, is_exact=True)


def test_many_usage_events_take_no_memory() -> None:
    tap, _ = fed(USAGE * 10_000 + FINISH + DONE, [])
    assert len(tap._usages) <= 128
    assert tap.tokens == TokenCount(3, 2, is_exact=True)


@pytest.mark.parametrize(
    "failure",
    [
        event(error="boom"),
        b'event: error\ndata: {"message":"boom"}\n\n',
        event(object="error", message="boom"),
        event(error={"message": "boom"}, choices=[]),
    ],
)
def test_a_failure_in_any_dialect_is_seen(failure: bytes) -> None:
    tap, _ = fed(content("a") + failure, [])
    assert tap.end is StreamEnd.ERROR
    assert tap.error is not None
    assert tap.error["message"] == "boom"


def test_a_key_spelled_with_escapes_is_the_same_key() -> None:
    finish = FINISH.replace(b'"finish_reason"', b'"\\u0066inish_reason"')
    tap, _ = fed(content("a") + finish + DONE, [])
    assert tap.end is StreamEnd.COMPLETE


def test_a_first_event_that_names_the_role_is_no_token() -> None:
    tap, _ = fed(event(choices=[{"index": 0, "delta": {"role": "assistant", "content": None}}]) + content("a"), [])
    assert tap.content_events == 1


@pytest.mark.parametrize("count", [2**53, 2**31, True, 1.5, "7", [1]])
def test_a_count_beyond_belief_is_not_believed(count: object) -> None:
    """U8."""
    tap, _ = fed(content("a") + FINISH + event(choices=[], usage={"prompt_tokens": count}) + DONE, [])
    assert tap.tokens == TokenCount(0, 1, is_exact=False)


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": "3", "completion_tokens": -1}, {"prompt_tokens": None}]
)
def test_a_malformed_usage_counts_nothing(usage: object) -> None:
    counted = token_count(usage)
    assert (counted.prompt, counted.completion) == (0, 0)
