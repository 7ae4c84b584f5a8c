"""Every rule catches what it is there for, accepts what is right, and fails when its target is gone."""

import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from tools.rules import address, budget, duplicate, export, metadata, name, practice, size
from tools.rules.workspace import Distribution, NothingToCheckError, Source, distributions, sources

PYPROJECT = """\
[project]
name = "hxp-demo"
version = "0.1.0"
description = "A demonstration."
readme = "README.md"
requires-python = ">=3.11"
license = "Apache-2.0"
license-files = ["LICENSE"]
authors = [{ name = "Manus AI" }]
classifiers = [
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Typing :: Typed",
]
dependencies = ["hxp-demo[cli]>=0.1,<1", "pydantic>=2.12,<3; python_version < '3.15'"]
"""


def file(text: str, path: str = "src/hxp_x/_thing.py") -> list[Source]:
    return [Source(Path(path), text)]


def init(text: str) -> list[Source]:
    return file(text, "src/hxp_x/__init__.py")


def lazily(mapping: str, imports: str = "from ._a import B") -> list[Source]:
    call = f"__getattr__, __dir__ = lazy_exports(__name__, {mapping})"
    return init(f'"""X."""\nif TYPE_CHECKING:\n    {imports}\nelse:\n    {call}\n__all__ = ["B"]\n')


def function(lines: int, parameters: str = "") -> str:
    return f"def f({parameters}):\n" + "    pass\n" * (lines - 1)


@pytest.fixture
def member(tmp_path: Path) -> Distribution:
    folder = tmp_path / "packages" / "hxp-demo"
    for path in metadata.FILES:
        target = folder / path.format(module="hxp_demo")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    return Distribution(folder)


def changed(member: Distribution, old: str, new: str) -> list[Distribution]:
    (member.folder / "pyproject.toml").write_text(PYPROJECT.replace(old, new))
    return [Distribution(member.folder)]


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        (size.long_files, file("\n" * 601)),
        (size.long_functions, file(function(81))),
        (size.long_functions, file(function(40) * 2 + function(3) * 18)),
        (size.many_parameters, file(function(2, "a, b, c, d, e, f, g, *, h"))),
        (export.busy_inits, init("VERSION = 1\n")),
        (export.busy_inits, init("def main(): ...\n")),
        (export.busy_inits, init("if TYPE_CHECKING:\n    X = 1\nelse:\n    __getattr__ = 1\n")),
        (export.untrue_lists, init('from ._a import B, a\n__all__ = ["a", "B"]\n')),
        (export.untrue_lists, init('from ._a import B\n__all__ = ["B", "B"]\n')),
        (export.untrue_lists, init('from ._a import B, a\n__all__ = ["B"]\n')),
        (export.untrue_lists, init("from ._a import B\n")),
        (export.untrue_lists, lazily('{"_a": ("C",)}', "from ._a import C")),
        (export.split_lists, lazily('{"_a": ("C",)}')),
        (export.split_lists, lazily('{"_b": ("B",)}')),
        (export.split_lists, lazily('["b"]', "from . import a")),
        (export.split_lists, lazily('{"b": "hxp_b"}', "import hxp_a as b")),
        (name.vague_modules, file("", "src/hxp_x/_utils.py")),
        (name.vague_modules, file("", "src/hxp_x/helpers/__init__.py")),
        (practice.hopeful_sleeps, file("time.sleep(1)")),
        (practice.hopeful_sleeps, file("await asyncio.sleep(0.5)")),
        (practice.banned_imports, file("import pickle")),
        (practice.banned_imports, file("from pickle import loads")),
        (practice.banned_imports, file("from starlette.middleware.base import BaseHTTPMiddleware")),
    ],
)
def test_a_rule_of_the_source_catches(rule: Callable[[Collection[Source]], list[str]], bad: list[Source]) -> None:
    assert rule(bad)


@pytest.mark.parametrize(
    ("rule", "good"),
    [
        (size.long_files, file("\n" * 600)),
        (size.long_functions, file(function(80) + function(39) * 19)),
        (size.many_parameters, file(function(2, "self, a, b, c, d, e, f, g"))),
        (export.busy_inits, lazily('{"_a": ("B",)}')),
        (export.busy_inits, init('"""X."""\nfrom ._a import B\n__all__ = ["B"]\n')),
        (export.untrue_lists, init('from ._a import ONE, Two, a\n__all__ = ["ONE", "Two", "a"]\n')),
        (export.untrue_lists, init('from typing import Any\nfrom ._lazy import lazy_exports\n"""Nothing."""\n')),
        (export.untrue_lists, lazily('{"_a": ("B",)}', "from ._a import B")),
        (export.split_lists, lazily('{"_a": ("B",)}')),
        (export.split_lists, lazily('["a"]', "from . import a")),
        (export.split_lists, lazily('{"b": "hxp_b.b"}', "from hxp_b import b")),
        (name.vague_modules, file("", "src/hxp_x/_breaker.py")),
        (practice.hopeful_sleeps, file("time.sleep(0.05); await asyncio.sleep(3600); sleep(wait); clock.sleep(2)")),
        (practice.banned_imports, file("import json")),
    ],
)
def test_a_rule_of_the_source_accepts(rule: Callable[[Collection[Source]], list[str]], good: list[Source]) -> None:
    assert rule(good) == []


@pytest.mark.parametrize(
    "rule",
    [
        size.long_files,
        size.long_functions,
        size.many_parameters,
        export.busy_inits,
        export.untrue_lists,
        export.split_lists,
        name.vague_modules,
        practice.hopeful_sleeps,
        practice.banned_imports,
    ],
)
def test_a_rule_without_a_target_fails(rule: Callable[[Collection[Source]], list[str]]) -> None:
    with pytest.raises(NothingToCheckError):
        rule([])


def test_a_lazy_export_may_declare_a_name_that_is_computed() -> None:
    [source] = lazily('{"b": "hxp_b"}', "import hxp_b as b\n    version: str")
    text = source.text.replace('["B"]', '["b", "version"]')
    assert export.busy_inits(init(text)) == export.untrue_lists(init(text)) == export.split_lists(init(text)) == []


def test_copies_that_differ_are_found(tmp_path: Path) -> None:
    paths = [tmp_path / letter for letter in "abc"]
    for path, text in zip(paths, ("x", "x", "y"), strict=True):
        path.write_text(text)
    assert duplicate.differing(paths[:2]) == []
    assert duplicate.differing(paths) == [f"{paths[2]} differs from {paths[0]}"]
    with pytest.raises(NothingToCheckError):
        duplicate.differing(paths[:1])


def test_the_copies_of_the_lazy_module_are_found_by_what_they_define() -> None:
    ours = file("def lazy_exports():\n    pass\n", "a/_lazy.py")
    assert duplicate.lazy_modules([*ours, *file("def other(): ...", "b/_lazy.py")]) == [Path("a/_lazy.py")]


def test_a_distribution_that_is_complete_and_right_passes(member: Distribution) -> None:
    assert metadata.missing_files([member]) == []
    assert metadata.wrong_metadata([member]) == []
    assert metadata.wrong_bounds([member]) == []


def test_a_missing_file_is_found(member: Distribution) -> None:
    (member.source / "py.typed").unlink()
    assert metadata.missing_files([member]) == ["hxp-demo: no src/hxp_demo/py.typed"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "hxp-demo"', 'name = "hxp-other"'),
        ("0.1.0", "0.1"),
        (">=3.11", ">=3.12"),
        ("Apache-2.0", "MIT"),
        ("A demonstration.", ""),
        ("Python :: 3.13", "Python :: 3.14"),
    ],
)
def test_wrong_metadata_are_found(member: Distribution, old: str, new: str) -> None:
    assert len(metadata.wrong_metadata(changed(member, old, new))) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pydantic>=2.12,<3", "pydantic"),
        ("pydantic>=2.12,<3", "pydantic>=2.12"),
        ("pydantic>=2.12,<3", "@"),
        ("]>=0.1,<1", "]>=0.2,<1"),
        ("]>=0.1,<1", "]>=0.1,<2"),
    ],
)
def test_wrong_bounds_are_found(member: Distribution, old: str, new: str) -> None:
    assert len(metadata.wrong_bounds(changed(member, old, new))) == 1


@pytest.mark.parametrize("rule", [metadata.missing_files, metadata.wrong_metadata, metadata.wrong_bounds])
def test_a_workspace_without_members_fails(rule: Callable[[Collection[Distribution]], list[str]]) -> None:
    with pytest.raises(NothingToCheckError):
        rule([])


def test_the_members_come_from_the_table(member: Distribution, tmp_path: Path) -> None:
    assert [found.name for found in distributions(tmp_path)] == [member.name]
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["gone/*"]\n')
    with pytest.raises(NothingToCheckError, match="gone"):
        distributions(tmp_path)


def test_a_folder_without_python_fails(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    assert [source.path.name for source in sources([tmp_path])] == ["a.py"]
    (tmp_path / "a.py").unlink()
    with pytest.raises(NothingToCheckError):
        sources([tmp_path])


@pytest.mark.parametrize(
    "line",
    [
        "cd /" + "home/someone/code",
        'open("/' + 'root/secret")',
        "index" + "-url = 'x'",
        "use https://" + "mirror.test/pypi/simple/",
        "see https://host.test/x",
    ],
)
def test_an_address_of_machine_or_index_is_found(line: str) -> None:
    assert address.told_addresses({"a.md": f"fine\n{line}\n"}, hosts={"host.test"})[0].startswith("a.md:2: ")


def test_other_addresses_are_not(tmp_path: Path) -> None:
    text = "see https://example.test/simplest, ./work/x, $X/home/y, https://mirror.invalid/simple and /tmp/z"
    assert address.told_addresses({"a.md": text}) == []
    with pytest.raises(NothingToCheckError):
        address.told_addresses({})


def test_the_hosts_come_from_the_working_lock() -> None:
    assert address.index_hosts('source = { registry = "https://mirror.invalid/simple" }') == {"mirror.invalid"}
    assert address.index_hosts('source = { registry = "index" }') == set()


def test_tracked_texts_are_read_and_binaries_are_not(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("as git has it\n")
    (tmp_path / "a.txt").write_text("a\n")
    (tmp_path / "b.bin").write_bytes(b"\0")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "uv.lock").write_text("changed\n")
    (tmp_path / "untracked.txt").write_text("u\n")
    assert address.tracked_texts(tmp_path) == {"a.txt": "a\n", "uv.lock": "as git has it\n"}


def test_an_import_over_its_budget_is_found() -> None:
    assert budget.over_budget("import json") == []
    assert budget.over_budget("import asyncio", banned=["asyncio"]) == ["`import asyncio` loads asyncio"]
    assert "`import pytest` loads pytest" in budget.over_budget("import pytest")
    assert "`import pytest` loads pytest" not in budget.over_budget("import pytest", allowed=["pytest"])


def test_a_budget_for_a_module_that_is_gone_fails() -> None:
    with pytest.raises(NothingToCheckError, match="No module named 'hxp_gone'"):
        budget.over_budget("import hxp_gone")
