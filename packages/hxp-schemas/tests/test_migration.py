"""A document of any older version becomes one of today, step by step; one of tomorrow is refused."""

import copy
from typing import Any

import pydantic
import pytest
from hxp_schemas import Draft, MigrationError, migrates, migrations_of
from hypothesis import given
from hypothesis import strategies as st


class Plan(pydantic.BaseModel):
    version: int = 3
    title: str
    limits: dict[str, int] = {}


@migrates(Plan, 1, 2)
def name_becomes_title(draft: Draft) -> None:
    draft.move("name", "title")


@migrates(Plan, 2, 1)
def title_becomes_name(draft: Draft) -> None:
    draft.move("title", "name")


@migrates(Plan, 2, 3)
def rate_moves_under_limits(draft: Draft) -> None:
    draft.move("rate", "limits.rate")
    draft.remove("obsolete")
    draft.set("limits.burst", 2 * draft.get("limits.rate", 1))


def migrate(data: dict[str, Any], **options: Any) -> Any:
    return migrations_of(Plan).migrate(data, version_field="version", **options)


def test_steps_are_applied_in_order_and_noted() -> None:
    old = {"name": "a", "rate": 3, "obsolete": 1}
    migrated = migrate(old)
    assert Plan.model_validate(migrated.data) == Plan(version=3, title="a", limits={"rate": 3, "burst": 6})
    assert [str(rewrite) for rewrite in migrated.rewrites] == [
        "version 1 → 2: name is now title",
        "version 2 → 3: rate is now limits.rate",
        "version 2 → 3: obsolete was removed",
        "version 2 → 3: limits.burst was set",
    ]
    assert migrated.version == 3
    assert old == {"name": "a", "rate": 3, "obsolete": 1}


@given(st.dictionaries(st.sampled_from(["name", "x", "y"]), st.integers() | st.lists(st.integers()), max_size=3))
def test_migrating_is_pure_and_ends_where_it_begins_again(data: dict[str, Any]) -> None:
    before = copy.deepcopy(data)
    once = migrate(data)
    assert data == before
    assert migrate(once.data).data == once.data
    assert migrate(once.data).rewrites == ()


@given(st.dictionaries(st.sampled_from(["title", "x"]), st.integers()))
def test_where_an_inverse_is_declared_the_round_trip_is_exact(data: dict[str, Any]) -> None:
    data["version"] = 2
    back = migrate(data, to=1)
    assert back.data["version"] == 1
    assert migrate(back.data, to=2).data == data


@pytest.mark.parametrize(
    ("data", "to", "message"),
    [
        ({"version": 4}, None, "version is 4, this program knows versions up to 3; use a newer program"),
        ({"version": 3}, 2, "there is no step from version 3 to 2"),
        ({"version": 0}, None, "whole number from 1 on, not 0"),
        ({"version": "2"}, None, "not '2'"),
        ({"version": True}, None, "not True"),
        ({"name": "a", "title": "b"}, None, "'name' cannot become 'title', which is there, too"),
        ({"version": 2, "rate": 1, "limits": 3}, None, "'limits' holds no mapping"),
    ],
)
def test_what_cannot_be_migrated_is_refused(data: dict[str, Any], to: int | None, message: str) -> None:
    with pytest.raises(MigrationError, match=message):
        migrate(data, to=to)


def test_a_chain_goes_in_single_steps_and_each_once() -> None:
    with pytest.raises(MigrationError, match="from one version to its neighbour, not from 1 to 3"):
        migrates(Plan, 1, 3)
    with pytest.raises(MigrationError, match="to its neighbour"):
        migrates(Plan, 1, 0)
    with pytest.raises(MigrationError, match="Plan has a step from version 1 to 2 already"):
        migrates(Plan, 1, 2)(name_becomes_title)


def test_a_model_without_steps_is_at_version_one_and_chains_are_not_inherited() -> None:
    class Child(Plan):
        pass

    assert migrations_of(Child).current == 1
    assert migrations_of(Child).migrate({"a": 1}, version_field="v").data == {"a": 1}


def test_a_draft_reads_writes_and_leaves_alone_what_is_not_there() -> None:
    draft = Draft({"a": {"b": 1}, "c": 2}, (1, 2))
    draft.move("nothing", "x")
    draft.remove("a.nothing")
    draft.remove("c.d")
    draft.set("a.b", 1)
    assert draft.rewrites == []
    assert draft.get("c.d", "default") == "default"
    assert "a.b" in draft
    assert "c.d" not in draft
