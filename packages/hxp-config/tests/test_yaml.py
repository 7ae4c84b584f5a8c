"""What a YAML text means, and what it must not do."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hxp_config import ConfigError
from hxp_config._yaml import read_yaml, scalar
from hypothesis import given
from hypothesis import strategies as st

SCALARS = """
'' ~ null Null NULL nUll y n yes Yes NO on Off true TRUE tRue 0 1 -1 +7 010 08 0x1F 0b101 0o17 1_000 190:20:30 1:59
1.5 .5 1. 1e3 1.0e3 1.0e+3 -1.5e-3 .inf -.INF .nan 1_0.5 190:20:30.15 2001-12-14 2001-12-14t21:59:43.10-05:00
2001-12-14T21:59:43Z "x" 'y' "a\\tb\\u263a" 'it''s' plain <<x =x *x! a#b !!str!!5 -x ?x :x x: 0.1.2 1,000 12e03 +.inf
"""


def plain(text: str) -> Any:
    node = read_yaml(text, source="test")
    return None if node is None else node.plain()


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, source="hxp.yaml")
    return str(caught.value)


def shown(value: object) -> str:
    """Compare types too, and nan."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, set):
        return f"set({sorted(map(shown, value))})"
    return f"[{', '.join(map(shown, value))}]" if isinstance(value, list) else f"{type(value).__name__} {value!r}"


@pytest.mark.parametrize("text", SCALARS.split())
def test_a_scalar_has_the_type_that_safe_load_gives_it(text: str) -> None:
    for document in (text, f"a: {text}", f"- {text}", f"{text}: 1"):
        try:
            expected = yaml.safe_load(document)
        except yaml.YAMLError:
            with pytest.raises(ConfigError):
                plain(document)
        else:
            assert shown(plain(document)) == shown(expected)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "# nothing",
        "a: &x {k: 1}\nb: *x\nc: [*x, *x]",
        "base: &b {k: 1, l: 2}\nc: {<<: *b, l: 3, m: 4}",
        "a: &a {k: 1}\nb: &b {k: 2, l: 3}\nc:\n  <<: [*a, *b]\n  m: 4",
        "a: &a {k: 1}\nb: &b {<<: *a, l: 2}\nc: {<<: *b}",
        "c: {<<: {k: 1}}",
        "a: !!set {x, y}\nb: !!omap [x: 1, y: 2]\nc: !!pairs [x: 1, x: 2]",
        "a: !!binary aGVsbG8=\nb: !!str 5\nc: !!int '7'\nd: !!float 1\ne: !!null ''\nf: !!bool 'yes'",
        "a: |\n  two\n  lines\nb: >-\n  fol\n  ded",
        "1: int\n2.5: float\nno: bool\n~: null\n2001-01-01: date\n=: value",
        "{a: 1, b: [1, {c: 2}]}",
        "'<<': 1",
        "%YAML 1.1\n---\na: 1\n...",
    ],
)
def test_a_document_means_what_safe_load_says(document: str) -> None:
    assert shown(plain(document)) == shown(yaml.safe_load(document))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=15,
)


@given(VALUES, st.booleans())
def test_whatever_is_dumped_is_read_back(value: object, flow: bool) -> None:  # noqa: FBT001 (drawn by hypothesis)
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert shown(plain(text)) == shown(yaml.safe_load(text))


@given(st.text(alphabet="ab1:- \n{}[],&*!|>'\"#<=%@`\t~.é", max_size=40))
def test_any_text_is_read_as_safe_load_reads_it_or_refused(text: str) -> None:
    try:
        found = plain(text)
    except ConfigError as error:
        places = [problem.origin for problem in error.errors]
        assert all(places)
    else:
        # PyYAML's two parsers differ in a bare `!`; ours is the one in C.
        assert shown(found) == shown(yaml.load(text, yaml.CSafeLoader))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\t- b", "a tab cannot indent YAML, use spaces at hxp.yaml:2:1"),
        ("a: [1", "not valid YAML: did not find expected ',' or ']' while parsing a flow sequence at hxp.yaml:2:1"),
        ("a: 1\n b: 2", "not valid YAML: mapping values are not allowed in this context at hxp.yaml:2:3"),
        ("a: *b", "not valid YAML: found undefined alias at hxp.yaml:1:4"),
        ("a: 1\n---\nb: 1", "not valid YAML: but found another document expected a single document in the stream"),
        ("a: 1\na: 2", "a: duplicate key, first at line 1 at hxp.yaml:2:1"),
        ("1: a\ntrue: b", "True: duplicate key, first at line 1 at hxp.yaml:2:1"),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}", "y.<<: duplicate key at hxp.yaml:2:13"),
        ("y: {<<: [1]}", "y.<<: only mappings can be merged at hxp.yaml:1:10"),
        ("y: {<<: x}", "y.<<: only mappings can be merged at hxp.yaml:1:9"),
        ("a: !!python/object/apply:os.system [x]", "a: the tag '!!python/object/apply:os.system' is not allowed at"),
        ("a: !!python/name:os.system x", "a: the tag '!!python/name:os.system' is not allowed at hxp.yaml:1:4"),
        ("a: !own {b: 1}", "a: the tag '!own' is not allowed at hxp.yaml:1:4"),
        ("a: !!seq {b: 1}", "a: the tag '!!seq' is not allowed at hxp.yaml:1:4"),
        ("? [a, b]\n: 1", "a key must be a scalar at hxp.yaml:1:3"),
        ("a: =", "a: '=' has a meaning in YAML, quote it at hxp.yaml:1:4"),
        ("a: !!int x", "a: is not a valid int at hxp.yaml:1:4"),
        ("a: !!bool x", "a: is not a valid bool at hxp.yaml:1:4"),
        ("a: 2001-99-99", "a: is not a valid timestamp at hxp.yaml:1:4"),
        ("a: " + "9" * 5000, "a: is not a valid int at hxp.yaml:1:4"),
        ("a: !!omap [1]", "a: is not a valid omap at hxp.yaml:1:4"),
        ("a: !!set {x, x}", "a.x: duplicate key, first at line 1 at hxp.yaml:1:14"),
        ("a: !!pairs [!own x]", "a.0: the tag '!own' is not allowed at hxp.yaml:1:13"),
        ("a: x\x00", "the character U+0000 is not allowed at hxp.yaml:1:5"),
        ("é: 1\nü: é\x07", "the character U+0007 is not allowed at hxp.yaml:2:5"),
        ("a: \ud800", "the character U+D800 is not allowed at hxp.yaml:1:4"),
        ("a: &a [*a]", "a.0: an alias must not contain itself at hxp.yaml:1:4"),
        ("[" * 100_000, "nested deeper than 100 levels at hxp.yaml:1:100"),
        ("- " * 100_000, "nested deeper than 100 levels at hxp.yaml:1:199"),
        ("{a: " * 5_000, "nested deeper than 100 levels at hxp.yaml:1:397"),
    ],
)
def test_what_a_configuration_must_not_hold_is_refused_with_its_place(text: str, message: str) -> None:
    """C2, C3."""
    assert refused(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 2_000, "nested deeper than 100 levels at hxp.yaml:1:100"),
        ("a:\n  " + "[" * 2_000, "nested deeper than 100 levels at hxp.yaml:2:101"),
        ("[" * 50 + "]" * 50 + "]", "not valid YAML: "),
        ("[" * 2_000 + "&", "nested deeper than 100 levels at hxp.yaml:1:100"),
    ],
)
def test_a_parser_with_a_depth_limit_of_its_own_does_not_change_the_sentence(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compose(text: str) -> object:
        column = min(len(text.rsplit("\n", maxsplit=1)[-1]), 1_001)
        mark = yaml.Mark("", 0, text.count("\n"), column, None, 0)
        raise yaml.MarkedYAMLError("", None, "exceeded maximum nesting depth", mark)

    monkeypatch.setattr("hxp_config._yaml._compose", compose)
    assert refused(text).startswith(message)


def test_several_refusals_are_told_at_once() -> None:
    assert refused("a: 1\na: 2\nb: !x y").splitlines() == [
        "2 problems in the configuration:",
        "  a: duplicate key, first at line 1 at hxp.yaml:2:1",
        "  b: the tag '!x' is not allowed at hxp.yaml:3:4",
    ]


def bomb(levels: int) -> str:
    names = [f"a{level}" for level in range(levels)]
    lines = [f"{names[0]}: &{names[0]} [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in pairwise(names)]
    return "\n".join(lines)


def test_aliases_expand_to_a_bounded_size() -> None:
    """C2: a billion laughs."""
    assert "aliases expand to more than 10000 nodes" in refused(bomb(10))
    assert "aliases expand to more than 10000 nodes" in refused(
        "a: &a {" + ", ".join(f"k{i}: 1" for i in range(200)) + "}\nb: [" + "{<<: *a}, " * 100 + "]"
    )
    assert plain(bomb(3)) == yaml.safe_load(bomb(3))


def test_aliases_do_not_nest_deeper_than_the_limit() -> None:
    deep = "".join(f"a{i}: &a{i} {{k: *a{i - 1}}}\n" if i else "a0: &a0 {k: 1}\n" for i in range(200))
    assert "nested deeper than 100 levels" in refused(deep)


def test_a_large_file_without_aliases_is_no_bomb() -> None:
    assert len(plain("\n".join(f"k{i}: [1, 2, 3]" for i in range(10_000)))) == 10_000


def test_a_text_that_stands_alone_is_a_plain_scalar() -> None:
    assert [scalar(text) for text in ("1", "yes", "1.5", "null", "x: y", "a #b", "- x", "*x", "!x", "<<", "=")] == [
        1,
        True,
        1.5,
        None,
        *("x: y", "a #b", "- x", "*x", "!x", "<<", "="),
    ]
    assert math.isinf(scalar(".inf"))
    with pytest.raises(ValueError, match="is not a valid timestamp"):
        scalar("2001-99-99")


def test_lines_and_columns_count_characters_from_one() -> None:
    node = read_yaml("ü:\n  ключ: é\n  list: [a, bb]\n", source="s", file="f")
    assert node is not None
    child = node.data["ü"].data["ключ"]
    assert (child.where[:4], child.key[2:4], child.raw) == (("s", "f", 2, 9), (2, 3), "é")
    assert [item.where[2:4] for item in node.data["ü"].data["list"].data] == [(3, 10), (3, 13)]
