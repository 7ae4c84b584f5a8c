"""The tap: events pass whole and untouched, and what they say of tokens and ends is seen."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
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


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": "3", "completion_tokens": -1}, {"prompt_tokens": None}]
)
def test_a_malformed_usage_counts_nothing(usage: object) -> None:
    counted = token_count(usage)  # type: ignore[arg-type]  # what an upstream may send
    assert (counted.prompt, counted.completion) == (0, 0)
