"""A configuration in use: nobody can change what others read (C5)."""

import contextlib
import copy
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hxp_config import Defaults, LiveConfig, YamlText
from hxp_config._frozen import check_frozen
from pydantic import BaseModel, RootModel
from typing_extensions import TypeAliasType


class Limit(BaseModel, frozen=True):
    names: list[str] = ["a"]


class Settings(BaseModel, frozen=True):
    hosts: list[str] = ["one", "two"]
    ports: dict[str, list[int]] = {"a": [1]}
    tags: set[str] = {"x", "y"}
    pairs: tuple[list[int], ...] = ([1], [2])
    limits: dict[str, Limit] = {"l": Limit()}
    view: Mapping[str, Sequence[int]] = {"v": [1]}
    anything: Any = None


def live() -> LiveConfig[Settings]:
    return LiveConfig(Settings, [YamlText("anything: {deep: [1, {er: []}]}", "f")])


CHANGES: list[Callable[[Settings], object]] = [
    lambda value: value.hosts.append("three"),
    lambda value: value.hosts.extend(["three"]),
    lambda value: value.hosts.__setitem__(0, "three"),
    lambda value: value.hosts.__delitem__(0),
    lambda value: value.hosts.__iadd__(["three"]),
    lambda value: value.hosts.__imul__(2),
    lambda value: value.hosts.insert(0, "three"),
    lambda value: value.hosts.pop(),
    lambda value: value.hosts.remove("one"),
    lambda value: value.hosts.reverse(),
    lambda value: value.hosts.sort(),
    lambda value: value.hosts.clear(),
    lambda value: value.ports.__setitem__("b", []),
    lambda value: value.ports.__delitem__("a"),
    lambda value: value.ports.__ior__({"b": []}),
    lambda value: value.ports.update(b=[]),
    lambda value: value.ports.setdefault("b", []),
    lambda value: value.ports.pop("a"),
    lambda value: value.ports.popitem(),
    lambda value: value.ports.clear(),
    lambda value: value.ports["a"].append(2),
    lambda value: value.tags.add("z"),
    lambda value: value.tags.discard("x"),
    lambda value: value.tags.remove("x"),
    lambda value: value.tags.pop(),
    lambda value: value.tags.clear(),
    lambda value: value.tags.update({"z"}),
    lambda value: value.tags.__ior__({"z"}),
    lambda value: value.tags.__isub__({"x"}),
    lambda value: value.tags.__iand__({"x"}),
    lambda value: value.tags.__ixor__({"x"}),
    lambda value: value.tags.difference_update({"x"}),
    lambda value: value.tags.intersection_update({"x"}),
    lambda value: value.tags.symmetric_difference_update({"x"}),
    lambda value: value.pairs[0].append(2),
    lambda value: value.limits["l"].names.append("b"),
    lambda value: value.view["v"].append(2),  # type: ignore[attr-defined]  # whoever tries
    lambda value: value.anything["deep"][1]["er"].append(1),
    lambda value: setattr(value, "hosts", []),
    lambda value: setattr(value.limits["l"], "names", []),
]


@pytest.mark.parametrize("change", CHANGES)
def test_no_reader_can_change_it(change: Callable[[Settings], object]) -> None:
    value = live().value
    before = value.model_dump_json()
    with pytest.raises((TypeError, ValueError)):
        change(value)
    assert value.model_dump_json() == before


def test_every_way_to_change_a_collection_is_closed() -> None:
    """A method that a later Python adds to a list, a mapping or a set would be found here."""
    value = live().value
    harmless = {"__init__", "__class__", "__setattr__", "__delattr__", "__init_subclass__", "__subclasshook__"}
    tried: list[tuple[Any, type, list[tuple[Any, ...]]]] = [
        (value.hosts, list, [(), (0,), (0, "z"), ("one",), (["z"],)]),
        (value.ports, dict, [(), ("a",), ("b", []), ({"b": []},)]),
        (value.tags, set, [(), ("z",), ("x",), ({"z"},), ({"x"},)]),
    ]
    for frozen, plain, arguments in tried:
        before = plain(frozen)
        for name in set(dir(plain)) - harmless:
            for given in arguments:
                with contextlib.suppress(Exception):  # whatever it says, it must not change anything
                    getattr(frozen, name)(*given)
                assert frozen == before, name


def test_what_is_frozen_reads_as_what_it_is() -> None:
    value = live().value
    assert (value.hosts, value.ports, value.tags) == (["one", "two"], {"a": [1]}, {"x", "y"})
    assert isinstance(value.hosts, list)
    assert json.loads(json.dumps(value.ports)) == {"a": [1]}
    assert json.loads(value.model_dump_json())["pairs"] == [[1], [2]]
    assert repr(value.hosts) == "['one', 'two']"


@pytest.mark.parametrize("made", [copy.copy, copy.deepcopy, lambda held: pickle.loads(pickle.dumps(held))])
def test_a_copy_is_its_owners_to_change(made: Callable[[Any], Any]) -> None:
    value = live().value
    hosts, ports, tags = made(value.hosts), made(value.ports), made(value.tags)
    hosts.append("three")
    ports["b"] = []
    tags.add("z")
    assert (hosts[-1], ports["b"], "z" in tags) == ("three", [], True)
    assert value.hosts == ["one", "two"]


def test_a_reload_is_frozen_too_and_a_default_is_not_shared() -> None:
    given = {"hosts": ["a"]}
    live = LiveConfig(Settings, [Defaults(given)])
    live.reload(force=True)
    with pytest.raises(TypeError, match="change a copy"):
        live.value.hosts.append("b")
    assert Settings().hosts == ["one", "two"]
    Settings().hosts.append("mine")
    assert given == {"hosts": ["a"]}
    assert type(given["hosts"]) is list


def test_a_dataclass_and_a_bare_list_are_frozen_too() -> None:
    @dataclass(frozen=True, slots=True)
    class Options:
        names: list[str] = field(default_factory=list)
        limit: Limit = field(default_factory=Limit)

    options = LiveConfig(Options, [YamlText("names: [a]", "f")]).value
    with pytest.raises(TypeError, match="cannot be changed"):
        options.names.append("b")
    with pytest.raises(TypeError, match="cannot be changed"):
        options.limit.names.append("b")


class Loose(BaseModel):
    a: int = 1


@dataclass
class LooseClass:
    a: int = 1


class Open(BaseModel, frozen=True, extra="allow"):
    a: int = 1


def test_what_no_field_names_is_frozen_too() -> None:
    value = LiveConfig(Open, [YamlText("more: [1]", "f")]).value
    with pytest.raises(TypeError, match="cannot be changed"):
        value.more.append(2)  # type: ignore[attr-defined]  # an extra


class Tree(BaseModel, frozen=True):
    children: "list[Tree]" = []
    loose: int | None = None


class Root(RootModel[dict[str, Loose]], frozen=True):
    pass


def test_a_model_that_is_not_frozen_is_named_with_its_place() -> None:
    class Holder(BaseModel, frozen=True):
        limits: dict[str, list[Loose | None]] = {}

    @dataclass(frozen=True)
    class Other:
        loose: LooseClass = field(default_factory=LooseClass)

    class Named(BaseModel, frozen=True):
        loose: TypeAliasType("Alias", list[Loose]) = []  # type: ignore[valid-type]  # as `type Alias = …` makes it

    places = ((Holder, "Holder.limits"), (Other, "Other.loose"), (Root, "Root.root"), (Named, "Named.loose"))
    for model, place in places:
        with pytest.raises(TypeError, match=f"Loose(Class)? at {place} is not frozen, so that a reader could change"):
            LiveConfig(model, [])

    @dataclass(frozen=True)
    class Unknown:
        there: "Nowhere | None" = None  # type: ignore[name-defined]  # noqa: F821 - on purpose

    check_frozen(Unknown)  # what cannot be found out cannot be refused
    assert LiveConfig(Tree, [Defaults({"children": [{}]})]).value.children == [Tree()]
