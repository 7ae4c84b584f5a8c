"""What the package offers, and what importing it costs."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hxp_services_base
import pytest
from hxp_services_base import chassis, engines, orchestration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGES = [hxp_services_base, chassis, engines, orchestration]
FOLDER = Path(hxp_services_base.__file__).parent


def _modules() -> Iterator[str]:
    for file in sorted(FOLDER.rglob("*.py")):
        parts = file.relative_to(FOLDER.parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__")


def _declared(package: ModuleType) -> tuple[dict[str, str], dict[str, str]]:
    """The names of the block for type checkers and of the lazy table, each with its module."""
    tree = ast.parse(Path(package.__file__ or "").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module or "" for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    (assignment,) = block.orelse
    assert isinstance(assignment, ast.Assign)
    assert isinstance(assignment.value, ast.Call)
    table: dict[str, tuple[str, ...]] = ast.literal_eval(assignment.value.args[1])
    return typed, {name: module for module, names in table.items() for name in names}


@pytest.mark.parametrize("package", PACKAGES)
def test_all_the_type_checkers_list_and_the_lazy_table_are_one(package: ModuleType) -> None:
    typed, lazy = _declared(package)
    assert typed == lazy
    assert set(package.__all__) == set(lazy)
    assert len(package.__all__) == len(set(package.__all__))
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there_and_comes_from_where_it_is_said_to(package: ModuleType) -> None:
    _, lazy = _declared(package)
    for name, module in lazy.items():
        home: Any = import_module(f"{package.__name__}.{module}")
        assert getattr(package, name) is getattr(home, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    unknown = "nothing"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(package, unknown)


HEAVY = "{'fastapi', 'starlette', 'uvicorn', 'uvloop', 'aiohttp', 'typer', 'rich', 'xllamacpp'}"


@pytest.mark.parametrize(
    "program",
    [
        "import hxp_services_base",
        "from hxp_services_base import chassis, engines, orchestration",
        "import hxp_services_base.commands",
        "from hxp_services_base import BaseService, Settings",
        "from hxp_services_base import BaseAIModelService, BaseIntegrationService",
        "from hxp_services_base import BaseInfrastructureService",
        "from hxp_services_base.orchestration import read_stack",
    ],
)
def test_an_import_loads_no_server_no_client_and_no_command_line(program: str) -> None:
    check = f"import sys; {program}; print(*({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", [name for name in _modules() if not name.endswith("__main__")])
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
