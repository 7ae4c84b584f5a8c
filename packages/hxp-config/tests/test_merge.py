"""Layers are laid on one another: deep for mappings, whole for the rest, and otherwise where a sign asks for it."""

from typing import Any

import pytest
from hxp_config import ConfigError, Defaults, Environment, Origin, Overrides, Source, Text, YamlText, load
from hypothesis import given
from hypothesis import strategies as st

AnyMapping = dict[str, Any]


def read(*sources: Source, **options: Any) -> AnyMapping:
    return load(AnyMapping, sources, **options).value


def yaml(*texts: str) -> AnyMapping:
    return read(*(YamlText(text, f"{index}.yaml") for index, text in enumerate(texts, 1)))


def refused(*texts: str) -> str:
    with pytest.raises(ConfigError) as caught:
        yaml(*texts)
    return str(caught.value)


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
ROOTS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)


def plainly_merged(base: Any, over: Any) -> Any:
    """What merging means, in three lines."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: plainly_merged(base[key], child) if key in base else child for key, child in over.items()}
    return over


@given(ROOTS, ROOTS, ROOTS)
def test_merging_means_what_it_means_and_later_sources_win(
    first: AnyMapping, second: AnyMapping, third: AnyMapping
) -> None:
    merged = read(Defaults(first), Defaults(second), Defaults(third))
    assert merged == plainly_merged(plainly_merged(first, second), third)


def shape(value: Any) -> Any:
    return {key: shape(child) for key, child in value.items()} if isinstance(value, dict) else "leaf"


def same_kinds(one: Any, other: Any) -> bool:
    """Whether no mapping of the one stands where the other has something else."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same_kinds(one[key], other[key]) for key in one.keys() & other.keys())
    return not isinstance(one, dict) and not isinstance(other, dict)


@given(ROOTS, ROOTS, ROOTS)
def test_merging_is_associative_where_mappings_meet_mappings(
    first: AnyMapping, second: AnyMapping, third: AnyMapping
) -> None:
    """Where a scalar stands between two mappings it must not be: the scalar wipes out what is below it."""
    if same_kinds(first, second) and same_kinds(second, third) and same_kinds(first, third):
        left = read(Defaults(read(Defaults(first), Defaults(second))), Defaults(third))
        right = read(Defaults(first), Defaults(read(Defaults(second), Defaults(third))))
        assert left == right


@pytest.mark.parametrize(
    ("texts", "merged"),
    [
        (("a: [1]", "a+: [2, 3]"), {"a": [1, 2, 3]}),
        (("a: [1]", "a+: []"), {"a": [1]}),
        (("b: 1", "a+: [2]"), {"b": 1, "a": [2]}),
        (("a+: [2]",), {"a": [2]}),
        (("a: {x: 1, y: 2}", "a!: {z: 3}"), {"a": {"z": 3}}),
        (("a: {x: {y: 1, z: 2}}", "a: {x!: {}}"), {"a": {"x": {}}}),
        (("a: 1\nb: 2", "a~:"), {"b": 2}),
        (("a: {x: 1, y: 2}", "a: {x~: }"), {"a": {"y": 2}}),
        (("b: 2", "a~:"), {"b": 2}),
        (("a: {x: 1}", "a: {b: {c+: [1], d~: , e!: 3}}"), {"a": {"x": 1, "b": {"c": [1], "e": 3}}}),
        (("c++: 1",), {"c+": 1}),
        (("c~~: 1\n'+': 2",), {"c~": 1, "+": 2}),
        (("a: [{b+: 1}]",), {"a": [{"b+": 1}]}),
    ],
)
def test_a_sign_at_the_end_of_a_key_asks_for_something_else(texts: tuple[str, ...], merged: AnyMapping) -> None:
    assert yaml(*texts) == merged


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("a: 1", "b: 1\na+: [2]"), "a: '+' appends to a list, and at 1.yaml:1:4 is none at 2.yaml:2:1"),
        (("a: [1]", "a+: 2"), "a: what is appended with '+' must be a list at 2.yaml:1:1"),
        (("a: [1]", "a~: 2"), "a: a key that is taken out with '~' has no value at 2.yaml:1:1"),
    ],
)
def test_a_sign_that_cannot_be_followed_names_the_place(texts: tuple[str, ...], message: str) -> None:
    assert refused(*texts) == message


def test_signs_work_in_assignments_json_and_toml() -> None:
    assert read(YamlText("a: [1]", "f"), Overrides(["a+=[2]"])) == {"a": [1, 2]}
    assert read(YamlText("a: {b: [1]}", "f"), Text('{"a": {"b+": [2]}}', "j", "json")) == {"a": {"b": [1, 2]}}
    assert read(YamlText("a: [1]", "f"), Text('"a+" = [2]', "t", "toml")) == {"a": [1, 2]}


def test_what_was_appended_and_replaced_keeps_its_origins() -> None:
    snapshot = load(AnyMapping, [YamlText("a: [1]\nb: {c: 1}", "1.yaml"), YamlText("a+: [2]\nb!: {d: 2}", "2.yaml")])
    assert [str(snapshot.origin(f"a.{index}")) for index in (0, 1)] == ["1.yaml:1:5", "2.yaml:1:6"]
    assert snapshot.origin("b").overridden[0].source == "1.yaml"


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("a: 1\nb: ${a}", 1),
        ("a: {x: [1]}\nb: ${a}", {"x": [1]}),
        ("a: {x: [1, 5]}\nb: ${a.x.1}", 5),
        ("a: one\nb: '<${a}|${a}>'", "<one|one>"),
        ("a: 1.50\nb: v${a}", "v1.50"),
        ("a: yes\nb: is ${a}", "is yes"),
        ("a: ${c}\nc: 3\nb: ${a}", 3),
        ("b: $${a}", "${a}"),
        ("b: 5 $ and $a", "5 $ and $a"),
        ("b: ${env:HOME_OF}", "/home"),
        ("b: ${env:PORT}", 8080),
        ("b: ${env:ABSENT:-7}", 7),
        ("b: ${env:EMPTY:-x}", "x"),
        ("b: 'http://${env:ABSENT:-localhost}:${env:PORT}/'", "http://localhost:8080/"),
        ("b: '${env:ABSENT:-}'", ""),
        ('a: {"x.y": 2}\nb: ${a."x.y"}', 2),
    ],
)
def test_a_reference_takes_the_value_of_another(text: str, read_as: object) -> None:
    environ = {"HOME_OF": "/home", "PORT": "8080", "EMPTY": ""}
    assert read(YamlText(text, "f"), environ=environ)["b"] == read_as


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: ${a}", "a: refers to itself: a → a at f:1:4"),
        ("a: x${b}\nb: ${c}\nc: ${a}", "a: refers to itself: a → b → c → a at f:1:4"),
        ("a: ${b.c}", "a: ${b.c} leads to nothing at f:1:4"),
        (
            "a: ${env:GONE}",
            "a: the environment variable GONE is not set; give it, or a default: ${env:GONE:-…} at f:1:4",
        ),
        ("a: {x: 1}\nb: x${a}", "b: ${a} is a section and cannot stand inside a text at f:2:4"),
        ("a: '${'", "a: '${' at character 1 begins no reference; write $${ for the text at f:1:4"),
        ("a: '${}'", "a: ${} is no reference; write ${a.b} or ${env:NAME} at f:1:4"),
        ("a: '${a..b}'", "a: ${a..b} is no reference; write ${a.b} or ${env:NAME} at f:1:4"),
        ("a: '${env:DAY}'", "a: the environment variable DAY is not a valid timestamp at f:1:4"),
    ],
)
def test_a_reference_that_cannot_be_followed_names_the_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(YamlText(text, "f"), environ={"DAY": "2001-99-99"})
    assert message in str(caught.value)


def test_a_section_that_holds_itself_is_refused() -> None:
    assert "refers to itself" in refused("a: {b: '${a}'}")


def test_references_cannot_grow_without_bounds() -> None:
    """C2: the billion laughs in another costume."""
    doubling = "a0: xxxxxxxxxx\n" + "".join(f"a{n}: ${{a{n - 1}}}${{a{n - 1}}}\n" for n in range(1, 40))
    assert "bring in more than 1048576 characters" in refused(doubling)
    nested = "a0: [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{n}: ['${{a{n - 1}}}', '${{a{n - 1}}}', '${{a{n - 1}}}', '${{a{n - 1}}}']\n" for n in range(1, 30)
    )
    assert "expand to more than 10000 values" in refused(nested)


def test_a_value_that_came_as_text_is_never_looked_into() -> None:
    environ = {"HXP__PASSWORD": "pa${ss}", "HXP__LIST": '["${x}"]'}
    assert read(Environment(environ=environ)) == {"password": "pa${ss}", "list": ["${x}"]}
    both = read(YamlText("a: '${password}'", "f"), Environment(environ=environ))
    assert both["a"] == "pa${ss}"


def test_an_interpolated_value_keeps_the_place_where_it_is_written() -> None:
    snapshot = load(AnyMapping, [YamlText("a: 1\nb: ${a}\nc: x${a}", "f")])
    assert [str(snapshot.origin(key)) for key in "bc"] == ["f:2:4", "f:3:4"]
    assert snapshot.origin("c").raw == "x${a}"
    assert isinstance(snapshot.origin("a"), Origin)
