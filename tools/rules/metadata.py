"""Every distribution says the same about itself, and its siblings' bounds fit."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from .workspace import Distribution, NothingToCheckError

FILES = ("LICENSE", "README.md", "CHANGELOG.md", "changes/.gitkeep", "src/{module}/py.typed", "tests")
SAME = {
    "requires-python": ">=3.11",
    "license": "Apache-2.0",
    "license-files": ["LICENSE"],
    "authors": [{"name": "Manus AI"}],
    "readme": "README.md",
}
PYTHONS = ("3.11", "3.12", "3.13")
VERSION = re.compile(r"\d+\.\d+\.\d+")
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?(?P<bounds>[^;]*)(?:;.*)?")
BOUNDS = re.compile(r">=(?P<floor>\d+(?:\.\d+)*),<(?P<ceiling>\d+)")


def missing_files(members: Collection[Distribution]) -> list[str]:
    """Find distributions without their licence, readme, changelog, fragments, tests or type marker."""
    return [
        f"{member.name}: no {path}"
        for member in _some(members)
        for path in (pattern.format(module=member.module) for pattern in FILES)
        if not (member.folder / path).exists()
    ]


def wrong_metadata(members: Collection[Distribution]) -> list[str]:
    """Find metadata that differs from what all distributions have in common."""
    found = []
    for member in _some(members):
        project = member.project
        wanted = {**SAME, "name": member.name}
        found += [f"{member.name}: {key} is {project.get(key)!r}" for key in wanted if project.get(key) != wanted[key]]
        if not VERSION.fullmatch(str(project.get("version"))):
            found.append(f"{member.name}: version is {project.get('version')!r}, not X.Y.Z")
        if not project.get("description"):
            found.append(f"{member.name}: no description")
        classifiers = project.get("classifiers", [])
        wanted_classifiers = [*(f"Programming Language :: Python :: {python}" for python in PYTHONS), "Typing :: Typed"]
        found += [f"{member.name}: no classifier {line!r}" for line in wanted_classifiers if line not in classifiers]
    return found


def wrong_bounds(members: Collection[Distribution]) -> list[str]:
    """Find run-time requirements without a floor and a next-major ceiling, or siblings outside theirs."""
    versions = {member.name: member.project["version"] for member in _some(members)}
    found = []
    for member in members:
        for requirement in _requirements(member.project):
            matched = REQUIREMENT.fullmatch(requirement.replace(" ", ""))
            bounds = BOUNDS.fullmatch(matched["bounds"]) if matched else None
            if matched is None or bounds is None:
                found.append(f"{member.name}: {requirement!r} wants the form name>=floor,<ceiling")
                continue
            sibling = versions.get(matched["name"])
            if sibling is not None and not _fits(sibling, bounds):
                found.append(f"{member.name}: {requirement!r} does not admit {sibling}")
            if sibling is not None and int(bounds["ceiling"]) != int(bounds["floor"].partition(".")[0]) + 1:
                found.append(f"{member.name}: the ceiling of {requirement!r} is not the next major version")
    return found


def _some(members: Collection[Distribution]) -> Collection[Distribution]:
    if not members:
        raise NothingToCheckError("the workspace has no members")
    return members


def _requirements(project: Mapping[str, Any]) -> list[str]:
    extras = project.get("optional-dependencies", {})
    return [*project.get("dependencies", []), *(line for lines in extras.values() for line in lines)]


def _fits(version: str, bounds: re.Match[str]) -> bool:
    numbers = [int(part) for part in version.split(".")]
    return [int(part) for part in bounds["floor"].split(".")] <= numbers and numbers[0] < int(bounds["ceiling"])
