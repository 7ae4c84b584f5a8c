"""What the package says it offers is what it offers, and nothing is loaded before it is used."""

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import hxp_schemas
import hxp_schemas.builders
import hxp_schemas.openai
import hxp_schemas.sse
import hxp_schemas.stream
import pytest

LAZY = [hxp_schemas, hxp_schemas.builders, hxp_schemas.openai, hxp_schemas.stream]
MODULES = sorted(info.name for info in pkgutil.walk_packages(hxp_schemas.__path__, "hxp_schemas."))


def lists_of_exports(package: ModuleType) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read the type checker's imports and the run-time mapping out of an `__init__.py`."""
    [branch] = [node for node in ast.parse(Path(str(package.__file__)).read_text()).body if isinstance(node, ast.If)]
    checked = {
        node.module or "": sorted(alias.name for alias in node.names)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
    }
    [assignment] = branch.orelse
    assert isinstance(assignment, ast.Assign)
    assert isinstance(assignment.value, ast.Call)
    lazy = ast.literal_eval(assignment.value.args[1])
    return checked, {module: sorted(names) for module, names in lazy.items()}


def order(name: str) -> tuple[int, str]:
    """Constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("package", LAZY, ids=lambda package: package.__name__)
def test_the_two_lists_of_exports_and_all_are_one(package: ModuleType) -> None:
    checked, lazy = lists_of_exports(package)
    assert checked == lazy
    assert package.__all__ == sorted((name for names in lazy.values() for name in names), key=order)


@pytest.mark.parametrize("package", [*LAZY, hxp_schemas.sse], ids=lambda package: package.__name__)
def test_every_name_is_there(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)


@pytest.mark.parametrize("package", LAZY, ids=lambda package: package.__name__)
def test_every_public_definition_of_its_modules_is_exported_or_a_base(package: ModuleType) -> None:
    _, lazy = lists_of_exports(package)
    for module, names in lazy.items():
        if not module:
            continue
        loaded = importlib.import_module(f"{package.__name__}.{module}")
        public = {
            name
            for name, value in vars(loaded).items()
            if not name.startswith("_")
            and not isinstance(value, TypeVar)
            and getattr(value, "__module__", None) == loaded.__name__
        }
        assert public - set(names) <= {"error_type", "BrokenRuleError"}


@pytest.mark.parametrize("package", LAZY, ids=lambda package: package.__name__)
def test_an_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        package.Nonsense  # noqa: B018


def test_importing_the_package_loads_no_pydantic() -> None:
    code = "import sys, hxp_schemas, hxp_schemas.openai; hxp_schemas.new_id('x'); assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_its_public_submodules_are_attributes() -> None:
    assert vars(hxp_schemas)["__getattr__"]("openai") is hxp_schemas.openai
    subprocess.run([sys.executable, "-c", "import hxp_schemas; hxp_schemas.openai.parse_request"], check=True)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
