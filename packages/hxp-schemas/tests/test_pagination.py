"""A page leads to the next one, and to nothing else."""

from types import SimpleNamespace
from typing import Any

import pytest
from hxp_schemas.pagination import Cursors, ListPage, ListRequest, Page, PageRequest, PageTokenError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

CURSORS = Cursors(b"0123456789abcdef", "usage")
REQUEST = PageRequest(filter="tokens > 1", order_by="at desc")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def with_token(token: str, **change: str) -> PageRequest:
    return REQUEST.model_copy(update={"page_token": token, **change})


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_a_position_comes_back_as_it_was(position: dict[str, Any]) -> None:
    token = CURSORS.token(position, REQUEST)
    assert CURSORS.position(with_token(token)) == position
    assert CURSORS.position(REQUEST) is None


def test_a_token_holds_for_one_list_one_filter_and_one_order() -> None:
    token = CURSORS.token({"after": "a"}, REQUEST)
    other_list, other_key = Cursors(b"0123456789abcdef", "keys"), Cursors(b"0123456789abcdeF", "usage")
    for cursors, request in (
        (CURSORS, with_token(token, filter="tokens > 2")),
        (CURSORS, with_token(token, order_by="")),
        (other_list, with_token(token)),
        (other_key, with_token(token)),
    ):
        with pytest.raises(PageTokenError, match="begin again without one"):
            cursors.position(request)
    assert CURSORS.position(with_token(token, page_size="5")) == {"after": "a"}


def test_a_token_with_any_character_changed_is_refused() -> None:
    token = CURSORS.token({"after": "a"}, REQUEST)
    for index in range(len(token)):
        swapped = "A" if token[index] != "A" else "B"
        forged = token[:index] + swapped + token[index + 1 :]
        with pytest.raises(PageTokenError):
            CURSORS.position(with_token(forged))


@given(st.text(max_size=80))
def test_any_text_as_a_token_is_refused(text: str) -> None:
    if text:
        with pytest.raises(PageTokenError):
            CURSORS.position(with_token(text))


def test_a_short_key_and_a_large_position_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes, not 5"):
        Cursors(b"short", "usage")
    with pytest.raises(ValueError, match="at most 1024 bytes"):
        CURSORS.token({"after": "a" * 1024}, REQUEST)


def test_a_page_size_is_the_callers_within_the_services_limits() -> None:
    assert PageRequest().size(default=50) == 50
    assert PageRequest(page_size=5).size(default=50) == 5
    assert PageRequest(page_size=5000).size(default=50) == 1000
    for wrong in ({"page_size": -1}, {"page_size": 10**30}, {"filter": "x" * 2001}, {"pagesize": 3}):
        with pytest.raises(ValidationError):
            PageRequest.model_validate(wrong)


def test_pages_survive_the_wire() -> None:
    page = Page[int](items=[1, 2], next_page_token="t", total_size=9)
    assert Page[int].model_validate_json(page.model_dump_json()) == page
    assert not page.is_last


def test_a_list_page_names_its_first_and_last_id() -> None:
    objects = [SimpleNamespace(id="a"), SimpleNamespace(id="b")]
    page = ListPage[Any].of(objects, has_more=True)
    assert (page.object, page.first_id, page.last_id, page.has_more) == ("list", "a", "b", True)
    empty = ListPage[dict[str, str]].of([], has_more=False)
    assert (empty.first_id, empty.last_id) == (None, None)
    assert ListRequest(after="a").limit == 20
    for limit in (0, 101):
        with pytest.raises(ValidationError):
            ListRequest(limit=limit)
