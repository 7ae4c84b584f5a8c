"""What the package offers."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

import hxp_gateway
import pytest

MODULES = sorted(module.name for module in iter_modules(hxp_gateway.__path__))


def test_all_names_exactly_what_there_is() -> None:
    assert hxp_gateway.__all__ == sorted(hxp_gateway.__all__)
    for name in hxp_gateway.__all__:
        assert getattr(hxp_gateway, name).__name__ == name
    public = {name for name in vars(hxp_gateway) if not name.startswith("_")}
    assert public - set(MODULES) == set(hxp_gateway.__all__)


def test_a_stack_finds_the_service_by_its_name() -> None:
    (entry,) = entry_points(group="hxp.services", name="hxp-gateway")
    assert entry.load().__module__.startswith("hxp_gateway.")


def test_an_import_loads_no_server_and_no_engine() -> None:
    heavy = "{'fastapi', 'uvicorn', 'aiohttp', 'typer', 'rich', 'xllamacpp'}"
    check = f"import sys, hxp_gateway; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(import_module(f"hxp_gateway.{name}")).failed == 0
