"""What the package offers."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pkgutil import iter_modules

import hxp_resilience
import pytest
from hxp_resilience import errors, testing

MODULES = sorted(module.name for module in iter_modules(hxp_resilience.__path__))


def test_all_names_exactly_what_there_is() -> None:
    assert hxp_resilience.__all__ == sorted(hxp_resilience.__all__)
    for name in hxp_resilience.__all__:
        assert getattr(hxp_resilience, name).__name__ == name
    assert set(hxp_resilience.__all__) <= set(dir(hxp_resilience))
    lazy = {name for name in dir(hxp_resilience) if not name.startswith("_")} - set(MODULES) - {"TYPE_CHECKING"}
    assert lazy - {"lazy_exports"} == set(hxp_resilience.__all__)


def test_every_error_is_offered_and_stands_in_the_tree() -> None:
    leaves = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert leaves == {name for name in hxp_resilience.__all__ if name.endswith("Error")}
    assert all(name in (errors.__doc__ or "") for name in leaves)


def test_the_doubles_are_offered() -> None:
    assert testing.__all__ == sorted(testing.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hxp_resilience.nothing  # type: ignore[attr-defined]  # noqa: B018 (the access is the test)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(import_module(f"hxp_resilience.{name}")).failed == 0
