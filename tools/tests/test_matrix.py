"""What is installed where is decided from the metadata alone."""

from pathlib import Path

import pytest

from tools.matrix import Job, closure, plan, plan_newest, pythons_here
from tools.rules.workspace import Distribution


def distribution(folder: Path, name: str, *dependencies: str, **extras: list[str]) -> Distribution:
    member = Distribution(folder / name)
    member.folder.mkdir(parents=True)
    lines = [f"{extra} = {wanted!r}" for extra, wanted in extras.items()]
    text = f"[project]\ndependencies = {list(dependencies)!r}\n[project.optional-dependencies]\n" + "\n".join(lines)
    (member.folder / "pyproject.toml").write_text(text + "\n")
    return member


@pytest.fixture
def members(tmp_path: Path) -> dict[str, Distribution]:
    found = [
        distribution(tmp_path / "packages", "hxp-schemas", "pydantic>=2"),
        distribution(tmp_path / "packages", "hxp-services-base", "hxp-schemas>=0.1", cli=["typer", "hxp-testing"]),
        distribution(tmp_path / "packages", "hxp-testing", "pytest", servers=["pg"]),
        distribution(tmp_path / "services", "hxp-gateway", "hxp-services-base[cli]>=0.1"),
    ]
    return {member.name: member for member in found}


def test_siblings_are_followed_through_dependencies_and_extras(members: dict[str, Distribution]) -> None:
    assert closure(members["hxp-schemas"], members, []) == {"hxp-schemas": set()}
    assert closure(members["hxp-gateway"], members, ["hxp-testing[servers]", "pytest>=8"]) == {
        "hxp-gateway": set(),
        "hxp-testing": {"servers"},
        "hxp-services-base": {"cli"},
        "hxp-schemas": set(),
    }


def test_what_is_no_requirement_is_refused(members: dict[str, Distribution]) -> None:
    with pytest.raises(ValueError, match="'@' is no requirement"):
        closure(members["hxp-schemas"], members, ["@"])


def test_everything_is_tested_on_the_oldest_python_and_the_small_ones_everywhere(
    members: dict[str, Distribution],
) -> None:
    jobs = plan(list(members.values()), ["3.11", "3.13"])
    oldest = [job for job in jobs if job.python == "3.11" and not job.lowest]
    assert {job.member.name for job in oldest if job.tested} == members.keys()
    for python, lowest in (("3.11", True), ("3.13", False)):
        there = [job for job in jobs if (job.python, job.lowest) == (python, lowest)]
        assert {job.member.name for job in there} == members.keys()
        assert {job.member.name for job in there if job.tested} == {"hxp-schemas", "hxp-testing"}


def test_a_job_says_what_it_is(members: dict[str, Distribution]) -> None:
    member = members["hxp-schemas"]
    assert Job(member, "3.11", lowest=True, tested=False).title == "hxp-schemas on 3.11 lowest: import"
    assert Job(member, "3.12", lowest=False, tested=True).title == "hxp-schemas on 3.12: tests"


def test_some_python_is_found() -> None:
    assert pythons_here()


def test_the_newest_releases_are_tried_once_for_each_and_never_at_the_lowest(members: dict[str, Distribution]) -> None:
    jobs = plan_newest(list(members.values()), "3.11")
    assert sorted(job.member.name for job in jobs) == sorted(members)
    assert all(job.newest and not job.lowest for job in jobs)
    assert jobs[0].title.endswith("on 3.11 newest: tests")
