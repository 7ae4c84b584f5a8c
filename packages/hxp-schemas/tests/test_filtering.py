"""A filter is a tree or an error with a position, whatever text comes in."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from hxp_schemas.filtering import (
    And,
    Comparison,
    Filter,
    FilterError,
    Not,
    Or,
    OrderBy,
    parse_filter,
    parse_order_by,
)
from hypothesis import given
from hypothesis import strategies as st


class Status(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"


FIELDS: Mapping[str, Any] = {
    "model": str,
    "tokens": int,
    "ratio": float,
    "live": bool,
    "at": datetime,
    "took": timedelta,
    "status": Status,
    "tags": list,
    "labels": dict,
    "usage.total": int,
}
ITEM: dict[str, Any] = {
    "model": "hxp-tiny",
    "tokens": 12,
    "ratio": 0.5,
    "live": True,
    "at": datetime(2026, 11, 23, 12, tzinfo=UTC),
    "took": timedelta(seconds=2),
    "status": "failed",
    "tags": ["a", "b", 3],
    "labels": {"team": "ops"},
    "usage": {"total": 20},
    "gone": None,
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "model = hxp-tiny",
        'model = "hxp-tiny"',
        "model='hxp-tiny'",
        'model = "hxp*"',
        'model = "*tiny"',
        'model = "*p-t*"',
        "model:tiny",
        "model != other",
        'model < "i"',
        "tokens = 12",
        "tokens > 11",
        "tokens >= 12",
        "tokens <= 12",
        "tokens < 13",
        "tokens != 13",
        "ratio = 0.5",
        "ratio > 1e-1",
        "ratio < 1",
        "live = true",
        "live != false",
        "at > 2026-11-23T11:59:00Z",
        "at >= 2026-11-23T13:00:00+01:00",
        'at < "2026-11-24"',
        "took > 1.5s",
        "status = failed",
        "status != completed",
        "tags:a",
        "tags:3",
        "tags:*",
        "labels:team",
        "labels:*",
        "labels.team = ops",
        "usage.total = 20",
        "labels.other = null",
        "model:* AND tokens:12",
        "NOT tokens = 1",
        "-tokens = 1",
        "NOT (tokens = 1 OR tokens = 2)",
        "tokens = 12 live = true",
        "tokens = 1 OR tokens = 12 AND live = true",
        "(((tokens = 12)))",
        "tokens = 12 AND NOT live = false",
        "tokens=12 AND(live=true)",
    ],
)
def test_a_filter_means_the_item(text: str) -> None:
    tree = parse_filter(text, fields=FIELDS)
    assert tree.matches(ITEM)
    assert not Not(tree).matches(ITEM)
    assert same(parse_filter(str(tree), fields=FIELDS), tree)


@pytest.mark.parametrize(
    "text",
    [
        "model = other",
        'model = "*tin"',
        "tokens > 12",
        "live = false",
        "labels:ops",
        "labels.other = x",
        "labels.other != x",
        "labels.other:*",
        "tags:c",
        "tags:true",
        "tokens = 12 AND live = false OR tokens = 1",
        "took = null",
        "model = null",
    ],
)
def test_a_filter_does_not_mean_the_item(text: str) -> None:
    assert not parse_filter(text, fields=FIELDS).matches(ITEM)


def same(one: Filter, other: Filter) -> bool:
    """Equal but for positions."""
    if isinstance(one, Comparison) and isinstance(other, Comparison):
        return (one.path, one.operator, one.value) == (other.path, other.operator, other.value)
    if isinstance(one, Not) and isinstance(other, Not):
        return same(one.term, other.term)
    if isinstance(one, And | Or) and type(one) is type(other):
        assert isinstance(other, And | Or)
        return len(one.terms) == len(other.terms) and all(map(same, one.terms, other.terms))
    return False


def test_or_binds_closer_than_and() -> None:
    """AIP-160: `a AND b OR c` is `a AND (b OR c)`."""
    tree = parse_filter("a = 1 AND b = 2 OR c = 3")
    assert isinstance(tree, And)
    assert isinstance(tree.terms[1], Or)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a = 3", 3),
        ("a = -3", -3),
        ("a = 3.5", 3.5),
        ('a = "3"', "3"),
        ("a = true", True),
        ("a = null", None),
        ("a = 20s", timedelta(seconds=20)),
        ("a = 2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("a = word", "word"),
        (r'a = "q\"uo\\te"', 'q"uo\\te'),
        ("a:*", "*"),
    ],
)
def test_without_declared_fields_a_value_is_what_it_looks_like(text: str, value: object) -> None:
    tree = parse_filter(text)
    assert isinstance(tree, Comparison)
    assert tree.value == value
    assert type(tree.value) is type(value)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("modle = x", 0, "no field 'modle', did you mean 'model'?"),
        ("zzz = x", 0, "no field 'zzz'; there are at, labels"),
        ("usage.totl = 1", 0, "did you mean 'usage.total'?"),
        ("model", 5, "a comparison is expected after 'model'"),
        ("model tokens = 1", 6, "a comparison is expected after 'model'"),
        ("model =", 7, "a value is expected"),
        ("model = )", 8, "a value is expected"),
        ('model = "x', 8, "the quote never ends"),
        ("(model = x", 10, "a ')' is missing"),
        ("model = x)", 9, "unexpected ')'"),
        ("model = x AND", 13, "a field's name is expected"),
        ("model = x AND AND", 14, "a field's name is expected"),
        ("AND", 0, "a field's name is expected"),
        ("model = x OR", 12, "a field's name is expected"),
        ("NOT", 3, "a field's name is expected"),
        ("(" * 17 + "model = x" + ")" * 17, 17, "at most 16 deep"),
        ("model = x " * 65, 640, "at most 64 comparisons"),
        ("x" * 2001, 2000, "at most 2000 characters"),
        ("tokens = many", 9, "a whole number"),
        ("tokens = 1e5", 9, "a whole number"),
        ("tokens = 1234567890123456789", 9, "at most 18 digits"),
        ("ratio = x", 8, "a number is expected"),
        ("ratio = 1e999", 8, "too large"),
        ("live = 1", 7, "write true or false"),
        ("live > true", 7, "use = or !="),
        ("status = done", 9, "'done' is none of completed, failed"),
        ("status < failed", 9, "use = or !="),
        ("at = yesterday", 5, "a time reads"),
        ("at = 2026-13-45", 5, "there is no time"),
        ("took = 5m", 7, "a duration reads"),
        ("tags = a", 7, "is asked with ':'"),
        ("model < null", 8, "null is compared with = and != only"),
        ("model(x) = 1", 5, "a comparison is expected"),
        ("12 = 12", 0, "a field's name is expected"),
    ],
)
def test_a_filter_that_cannot_be_read_says_what_and_where(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text, fields=FIELDS)
    assert message in str(caught.value)
    assert caught.value.position == position


def test_null_and_booleans_have_no_order() -> None:
    with pytest.raises(FilterError, match="true is compared with = and != only"):
        parse_filter("a > true")


def test_values_of_other_types_in_an_item_match_nothing_and_break_nothing() -> None:
    assert not parse_filter("a > 3").matches({"a": "text"})
    assert not parse_filter("a = 1").matches({"a": True})
    assert not parse_filter("a > 2026-11-23").matches({"a": datetime(2027, 1, 1)})  # noqa: DTZ001 - a naive time of the item's
    assert not parse_filter("a.b = 1").matches({"a": 3})
    assert not parse_filter("a:x").matches({"a": 3})
    assert not parse_filter("a:*").matches({"a": []})
    assert parse_filter("a:3").matches({"a": 3})


ALPHABET = [
    "AND",
    "OR",
    "NOT",
    "(",
    ")",
    "-",
    "model",
    "tokens",
    "labels.a",
    "=",
    "!=",
    "<",
    ":",
    '"x"',
    "12",
    "null",
    " ",
    "'",
    "\\",
    "é",
    "\x00",
    "2026-11-23",
    "3s",
    "*",
]


def outcome(text: str, fields: Mapping[str, Any] | None) -> str:
    try:
        tree = parse_filter(text, fields=fields)
    except FilterError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017 - either outcome is right
        return "error"
    assert same(parse_filter(str(tree), fields=fields), tree)
    tree.matches(ITEM)
    return "tree"


@given(st.lists(st.sampled_from(ALPHABET), max_size=30), st.sampled_from([None, FIELDS]))
def test_any_text_of_the_grammars_words_is_a_tree_or_an_error(
    words: list[str], fields: Mapping[str, Any] | None
) -> None:
    outcome(" ".join(words), fields)


def test_ten_thousand_random_texts_are_trees_or_errors() -> None:
    """Never an exception of another kind; both outcomes occur."""
    source = random.Random(6)
    seen = {"tree": 0, "error": 0}
    for number in range(10_000):
        words = source.choices(
            ALPHABET if number % 2 else ["model = x", "tokens > 3", "AND", "OR", "NOT", "(", ")"],
            k=source.randint(0, 12),
        )
        seen[outcome("".join(words) if number % 3 else " ".join(words), FIELDS)] += 1
    assert seen["tree"] > 100
    assert seen["error"] > 1000


def test_orders_are_read_in_turn() -> None:
    assert parse_order_by("") == ()
    assert parse_order_by(" a , b.c desc,d asc") == (
        OrderBy(("a",)),
        OrderBy(("b", "c"), descending=True),
        OrderBy(("d",)),
    )


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("a,", 2, "is no order"),
        ("a down", 0, "write 'name' or 'name desc'"),
        ("a, b, a", 5, "'a' is named twice"),
        ("b,model2", 2, "did you mean 'model'"),
        ("zzz", 0, "no field 'zzz'; there are a, b, model"),
        ("x" * 1001, 1000, "at most 1000 characters"),
    ],
)
def test_an_order_that_cannot_be_read_says_what_and_where(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_order_by(text, fields=["a", "b", "model"])
    assert message in str(caught.value)
    assert caught.value.position == position


def test_an_order_has_sixteen_fields_at_most() -> None:
    with pytest.raises(FilterError, match="at most 16 fields"):
        parse_order_by(",".join(f"a{number}" for number in range(17)))
