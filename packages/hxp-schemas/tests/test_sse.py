from itertools import combinations, pairwise

import pytest
from hxp_schemas.sse import DONE, SSEDecoder, SSEError, SSEEvent, encode
from hypothesis import given
from hypothesis import strategies as st

STREAM = (
    b"\xef\xbb\xbf: a comment\n"
    b"event: first\r\ndata: one\r\ndata:two\r\nid: 7\r\n\r\n"
    b"data\rretry: 10\r\r"
    b"retry: soon\nid: a\0b\nunknown: x\ndata: caf\xc3\xa9 \xff\n\n"
    b"event: dropped\n\n"
    b"data: unfinished\n"
)
EVENTS = [
    SSEEvent("one\ntwo", "first", "7"),
    SSEEvent("", None, "7", 10),
    SSEEvent("caf\u00e9 \ufffd", None, "7"),
]


def decode(pieces: list[bytes]) -> list[SSEEvent]:
    return decode_all(SSEDecoder(), pieces)


def decode_all(decoder: SSEDecoder, pieces: list[bytes]) -> list[SSEEvent]:
    return [event for piece in pieces for event in decoder.feed(piece)]


def collect(decoder: SSEDecoder, pieces: list[bytes], events: list[SSEEvent]) -> None:
    for piece in pieces:
        events += decoder.feed(piece)


def test_the_grammar_is_that_of_the_specification() -> None:
    assert decode([STREAM]) == EVENTS


@given(st.sets(st.integers(min_value=1, max_value=len(STREAM) - 1)))
def test_no_split_of_the_bytes_changes_the_events(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert decode([STREAM[a:b] for a, b in pairwise(edges)]) == EVENTS


def test_no_two_cuts_of_the_bytes_change_the_events() -> None:
    """Every one of them."""
    for first, second in combinations(range(len(STREAM) + 1), 2):
        assert decode([STREAM[:first], STREAM[first:second], STREAM[second:]]) == EVENTS


def test_every_byte_alone_gives_the_same_events() -> None:
    assert decode([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


def test_an_event_comes_with_the_byte_that_completes_it() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: x\r\n\r") == [SSEEvent("x")]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: y\n\n") == [SSEEvent("y")]


def test_an_unfinished_event_is_dropped_and_told() -> None:
    for rest in (b"data: x", b"data: x\n"):
        decoder = SSEDecoder()
        decoder.feed(b"data: y\n\n" + rest)
        assert not decoder.close()
        with pytest.raises(SSEError, match="closed"):
            decoder.feed(b"\n")
    decoder = SSEDecoder()
    decoder.feed(b"data: y\n\n")
    assert decoder.close()


@given(st.sets(st.integers(min_value=1, max_value=len(STREAM) - 1)))
def test_no_split_changes_where_an_event_began(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    offsets = [event.offset for event in decode([STREAM[a:b] for a, b in pairwise(edges)])]
    assert offsets == [0, STREAM.index(b"data\r"), STREAM.index(b"retry: soon")]


def test_a_line_without_end_is_refused() -> None:
    decoder = SSEDecoder(max_line=100)
    with pytest.raises(SSEError, match="more than 100 bytes"):
        decode_all(decoder, [b"x"] * 101)


def test_an_event_without_end_is_refused() -> None:
    decoder = SSEDecoder(max_event=100)
    with pytest.raises(SSEError, match="more than 100 bytes"):
        decoder.feed(b"data: 1234567890\n" * 10)


@pytest.mark.parametrize("bad", [b"x" * 200, b"data: 1234567890\n" * 20])
def test_what_broke_a_limit_is_told_with_its_place_however_the_bytes_were_split(bad: bytes) -> None:
    """U3: the events before it are not lost."""
    wire = b"data: a\n\ndata: b\n\n" + bad
    for cut in range(len(wire)):
        decoder = SSEDecoder(max_line=100, max_event=100)
        events: list[SSEEvent] = []
        with pytest.raises(SSEError, match=r"more than 100 bytes \(byte 18\)$") as caught:
            collect(decoder, [wire[:cut], wire[cut:], b"data: c\n\n"], events)
        assert events == [SSEEvent("a"), SSEEvent("b")]
        assert caught.value.offset == 18
        assert not decoder.close()


def test_a_retry_that_comes_alone_is_told_with_the_next_event() -> None:
    assert decode([b"retry: 3000\n\ndata: a\n\ndata: b\n\n"]) == [SSEEvent("a", retry=3000), SSEEvent("b")]


def test_a_long_line_in_small_pieces_takes_linear_time() -> None:
    decoder = SSEDecoder()
    for _ in range(100_000):
        decoder.feed(b"12345")
    assert decoder.feed(b"\n\n") == []


FIELD = st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r")), st.sampled_from([None, "e"])
)
def test_what_is_encoded_is_decoded(data: str, event: str | None) -> None:
    assert SSEDecoder().feed(encode(data, event)) == [SSEEvent(data, event)]
    assert SSEDecoder().feed(encode(data.encode(), event)) == [SSEEvent(data, event)]


@given(FIELD, FIELD, st.none() | st.integers(0, 10**15 - 1))
def test_every_field_that_is_encoded_is_decoded(event: str | None, name: str | None, retry: int | None) -> None:
    assert SSEDecoder().feed(encode("x", event, id=name, retry=retry)) == [SSEEvent("x", event, name, retry)]


def test_no_payload_can_forge_an_event() -> None:
    """L1, on the wire."""
    assert decode([encode(b"a\r\rdata: b\r\n\nevent: c")]) == [SSEEvent("a\n\ndata: b\n\nevent: c")]
    for name in ("a\nb", "a\rb", "a\0b"):
        with pytest.raises(SSEError, match=r"'event' of an event cannot be 'a.*b': a line break"):
            encode("x", name)
        with pytest.raises(SSEError, match=r"'id' of an event cannot be 'a.*b': a line break"):
            encode("x", id=name)
    with pytest.raises(SSEError, match="'retry' of an event cannot be '-1'"):
        encode("x", retry=-1)


def test_a_lone_surrogate_is_refused() -> None:
    """B2."""
    with pytest.raises(SSEError, match="surrogate"):
        encode("\ud800")


def test_the_end_of_a_stream_is_an_event() -> None:
    assert encode("[DONE]") == DONE
