"""What the package says it offers is what it offers, and nothing is loaded before it is used."""

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import hxp_config
import pytest

MODULES = sorted(info.name for info in pkgutil.walk_packages(hxp_config.__path__, "hxp_config."))


def lists_of_exports() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read the type checker's imports and the run-time mapping out of the `__init__.py`."""
    [branch] = [node for node in ast.parse(Path(hxp_config.__file__).read_text()).body if isinstance(node, ast.If)]
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


def test_the_two_lists_of_exports_and_all_are_one() -> None:
    checked, lazy = lists_of_exports()
    assert checked == lazy
    assert hxp_config.__all__ == sorted(name for names in lazy.values() for name in names)


def test_every_name_is_there() -> None:
    for name in hxp_config.__all__:
        assert getattr(hxp_config, name) is not None
        assert name in dir(hxp_config)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        getattr(hxp_config, "Nonsense")  # noqa: B009 - mypy knows better


def test_importing_the_package_loads_neither_pydantic_nor_yaml() -> None:
    code = "import sys, hxp_config; assert not {'pydantic', 'yaml', 'asyncio', 'watchfiles', 'hvac'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_a_configuration_imports_no_extra_and_no_event_loop() -> None:
    code = (
        "import sys, hxp_config; hxp_config.load(dict, [hxp_config.YamlText('a: 1', 'x')]);"
        "assert not {'asyncio', 'watchfiles', 'hvac', 'ruamel.yaml', 'logging', 'urllib.request'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
