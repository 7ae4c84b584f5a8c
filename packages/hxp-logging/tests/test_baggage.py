"""W3C baggage without an SDK, and the context that crosses threads."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hxp_logging import Baggage, baggage, bind_context, correlation, in_context, outgoing_headers, request_id
from hypothesis import given
from hypothesis import strategies as st


def test_members_are_read_decoded_and_passed_on_with_their_properties() -> None:
    header = "a=1, b = x%20y ;p=q;flag,c=%C3%A4"
    read = Baggage.from_header(header)
    assert dict(read) == {"a": "1", "b": "x y", "c": "ä"}
    assert read.to_header() == "a=1,b=x%20y;p=q;flag,c=%C3%A4"
    assert repr(read) == "Baggage({'a': '1', 'b': 'x y', 'c': 'ä'})"


@pytest.mark.parametrize("header", [None, "", ",", "a", "=b", "a b=c", "a=b c", 'a="b"', "a=\n", "é=1"])
def test_what_is_malformed_is_left_out(header: str | None) -> None:
    """L1."""
    assert len(Baggage.from_header(header)) == 0
    assert Baggage.from_header(f"{header},ok=1").get("ok") == "1"


def test_the_limits_of_the_specification_hold_both_ways() -> None:
    """L2: 64 members, 8192 bytes."""
    assert len(Baggage.from_header(",".join(f"k{number}=v" for number in range(100)))) == 64
    assert len(Baggage.from_header("a=" + "x" * 9000)) <= 1
    wide = Baggage({f"k{number}": "v" for number in range(100)})
    assert wide.to_header().count(",") == 63
    long = Baggage({"a": "x" * 5000, "b": "y" * 5000})
    assert long.to_header() == "a=" + "x" * 5000
    assert len(Baggage({"a": "x" * 8190}).to_header()) == 8192
    assert Baggage({"a": "x" * 8191}).to_header() == ""


def test_a_member_is_added_without_changing_the_others() -> None:
    before = Baggage({"a": "1", "not a token": "2"})
    after = before.having("b", "ö,;\\\n").having("a", "3")
    assert (dict(before), dict(after)) == ({"a": "1"}, {"a": "3", "b": "ö,;\\\n"})
    assert after.to_header() == "a=3,b=%C3%B6%2C%3B%5C%0A"
    with pytest.raises(ValueError, match="baggage cannot be called 'a b': use letters"):
        before.having("a b", "1")


@given(st.dictionaries(st.from_regex(r"[a-z!#$%&'*+.^_`|~-]{1,20}", fullmatch=True), st.text(max_size=50), max_size=10))
def test_what_is_written_is_read_again(members: dict[str, str]) -> None:
    header = Baggage(members).to_header()
    assert header.isascii()
    assert "\n" not in header
    printable = {name: value.encode("utf-8", "replace").decode() for name, value in members.items()}
    assert dict(Baggage.from_header(header)) == printable


@given(st.text())
def test_no_header_raises(header: str) -> None:
    Baggage.from_header(header).to_header()


def test_baggage_travels_on_with_the_request_but_not_to_strangers() -> None:
    with correlation("req_1", None, baggage=Baggage({"tenant": "acme"})):
        assert dict(baggage() or {}) == {"tenant": "acme"}
        assert outgoing_headers() == {"X-Request-ID": "req_1", "baggage": "tenant=acme"}
        assert outgoing_headers(with_baggage=False) == {"X-Request-ID": "req_1"}
    with correlation("req_1", None, baggage=Baggage({"a": "x" * 9000})):
        assert outgoing_headers() == {"X-Request-ID": "req_1"}
    assert baggage() is None


def test_a_thread_and_a_task_see_the_context_of_those_who_start_them() -> None:
    seen: list[str | None] = []

    def look() -> None:
        seen.append(request_id())

    async def main() -> None:
        with correlation("req_1", None):
            task = asyncio.create_task(asyncio.to_thread(look))
        await task

    asyncio.run(main())
    with correlation("req_2", None), bind_context(a=1):
        carried = in_context(look)
    bare, with_context = threading.Thread(target=look), threading.Thread(target=carried)
    for thread in (bare, with_context):
        thread.start()
        thread.join()
    assert seen == ["req_1", None, "req_2"]


def test_a_carried_context_serves_many_threads_at_once() -> None:
    barrier = threading.Barrier(3)

    def look(_: int) -> str | None:
        barrier.wait(10)
        return request_id()

    with correlation("req_1", None):
        carried = in_context(look)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(carried, range(3))) == ["req_1"] * 3
