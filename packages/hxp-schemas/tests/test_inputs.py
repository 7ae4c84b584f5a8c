"""What strangers send is bounded, visible, and never leads into the house."""

from typing import Any

import pytest
from hxp_schemas import FieldMask, FieldMaskError
from hxp_schemas.inputs import Identifier, PublicURL, SafeText, SingleLine, is_public_address
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError


def accepts(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/cat.png",
        "http://example.com:8080/a?b=c#d",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
        "https://EXAMPLE.com",
        "https://example.com.",
        "https://bücher.example.com/ü",
    ],
)
def test_a_url_of_the_internet_is_taken_as_it_is(url: str) -> None:
    assert TypeAdapter(PublicURL).validate_python(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://api.localhost/",
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://router/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fc00::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
        "http://user:password@example.com/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com",
        "http://",
        "http://exa mple.com/",
        "http://example.com/\r\nHost: x",
        "http://example.com:99999/",
        "http://[::1",
        "http://" + "a" * 64 + ".com/",
        "http://example.com/" + "a" * 2048,
        "http://xn--\udcff.com/",
        "http://①②⑦.⓪.⓪.①/",
    ],
)
def test_a_url_into_the_house_or_of_another_kind_is_refused(url: str) -> None:
    """A13."""
    assert not accepts(PublicURL, url)


def test_an_address_is_public_or_not() -> None:
    assert is_public_address("8.8.8.8")
    assert is_public_address("::ffff:8.8.8.8")
    assert is_public_address("64:ff9b::808:808")
    assert not is_public_address("no address")


@given(st.ip_addresses())
def test_no_private_address_is_public(address: Any) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        mapped = getattr(address, "ipv4_mapped", None)
        assert not is_public_address(address) or (mapped is not None and mapped.is_global)


@pytest.mark.parametrize("text", ["a\x00", "a\x1b[31m", "a\u202eb", "a\u200bb", "a\ufeff", "a\x85", "\u2028", "\ud800"])
def test_text_that_hides_something_is_refused(text: str) -> None:
    assert not accepts(SafeText, text)
    assert not accepts(SingleLine, text)


def test_text_may_have_lines_and_a_title_may_not() -> None:
    assert accepts(SafeText, "two\nlines\tand a tab\r\n")
    assert accepts(SafeText, "")
    assert accepts(SingleLine, "Straße 😀")
    for wrong in ("two\nlines", "a\tb", "", "x" * 257):
        assert not accepts(SingleLine, wrong)
    with pytest.raises(ValidationError, match=r"U\+001B at position 1 is invisible or a control character"):
        TypeAdapter(SafeText).validate_python("a\x1b[0m")


def test_an_identifier_is_safe_anywhere() -> None:
    assert accepts(Identifier, "hxp-tiny_1.0")
    for wrong in ("", "1a", "a/b", "a b", "a\n", "é", "a" * 129):
        assert not accepts(Identifier, wrong)


@pytest.mark.parametrize(
    ("text", "paths"),
    [("*", "*"), (" a , b.c ", "a,b.c"), ("a.b,a", "a"), ("b,a,b", "a,b"), ("a_b,a.b,a", "a,a_b")],
)
def test_a_mask_is_read_sorted_and_without_what_is_covered(text: str, paths: str) -> None:
    assert str(FieldMask.parse(text)) == paths


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("a,,b", 2),
        ("a,b.", 2),
        ("a b", 0),
        ("a,*", 2),
        ("a-b", 0),
        (",".join("abcdefghi" * 40), 512),
        ("x" * 4097, 4096),
        (".".join("a" * 17), 0),
        ("ä", 0),
    ],
)
def test_a_mask_that_cannot_be_read_names_the_position(text: str, position: int) -> None:
    with pytest.raises(FieldMaskError, match=f"at position {position} of the field mask") as caught:
        FieldMask.parse(text)
    assert caught.value.position == position


def test_a_mask_keeps_what_it_names() -> None:
    item = {"a": 1, "b": {"c": 2, "d": 3}, "e": [1]}
    assert FieldMask.parse("b.c,e").apply(item) == {"b": {"c": 2}, "e": [1]}
    assert FieldMask.parse("*").apply(item) == item
    assert FieldMask.parse("a.b,z").apply(item) == {}
    assert FieldMask.parse("b").covers(("b", "c"))
    assert not FieldMask.parse("b.c").covers(("b",))


@pytest.mark.parametrize(
    ("mask", "change", "merged"),
    [
        ("a", {"a": 5, "e": 6}, {"a": 5, "b": {"c": 2, "d": 3}}),
        ("a", {}, {"b": {"c": 2, "d": 3}}),
        ("b.c", {"b": {"c": 9, "d": 9}}, {"a": 1, "b": {"c": 9, "d": 3}}),
        ("b.c", {}, {"a": 1, "b": {"d": 3}}),
        ("n.m", {"n": {"m": 1, "o": 2}}, {"a": 1, "b": {"c": 2, "d": 3}, "n": {"m": 1}}),
        ("n.m", {"n": 3}, {"a": 1, "b": {"c": 2, "d": 3}}),
        ("a.x", {"a": {"x": 1}}, {"a": {"x": 1}, "b": {"c": 2, "d": 3}}),
        ("a.x", {}, {"a": 1, "b": {"c": 2, "d": 3}}),
        ("*", {"z": 1}, {"z": 1}),
        ("z", {}, {"a": 1, "b": {"c": 2, "d": 3}}),
    ],
)
def test_a_mask_changes_what_it_names_and_nothing_else(
    mask: str, change: dict[str, Any], merged: dict[str, Any]
) -> None:
    item = {"a": 1, "b": {"c": 2, "d": 3}}
    assert FieldMask.parse(mask).merge(item, change) == merged
    assert item == {"a": 1, "b": {"c": 2, "d": 3}}


@given(st.text(alphabet="ab.,*_1 -", max_size=40))
def test_any_text_is_a_mask_or_a_mask_error(text: str) -> None:
    try:
        mask = FieldMask.parse(text)
    except FieldMaskError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017 - either outcome is right
        return
    assert FieldMask.parse(str(mask)) == mask
