"""What the package offers."""

from __future__ import annotations

import inspect
import subprocess
import sys

import hxp_ledger
import hxp_ledger.errors
import pytest


def test_all_names_exactly_what_there_is() -> None:
    assert hxp_ledger.__all__ == sorted(hxp_ledger.__all__)
    for name in hxp_ledger.__all__:
        assert getattr(hxp_ledger, name).__name__ == name


def test_every_error_is_offered_and_stands_in_the_tree() -> None:
    errors = {
        name
        for name, value in vars(hxp_ledger.errors).items()
        if inspect.isclass(value) and value.__module__ == "hxp_ledger.errors"
    }
    assert errors == {name for name in hxp_ledger.__all__ if name.endswith("Error")}
    assert all(name in (hxp_ledger.errors.__doc__ or "") for name in errors)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hxp_ledger.nothing  # type: ignore[attr-defined]  # noqa: B018 (the access is the test)
    assert set(hxp_ledger.__all__) <= set(dir(hxp_ledger))


PROGRAM = """
import sys
import hxp_ledger
loaded = {"sqlalchemy", "alembic", "fastapi", "pydantic"} & set(sys.modules)
assert not loaded, loaded
from hxp_ledger import KeyStore
assert "alembic" not in sys.modules
"""


def test_an_import_loads_what_is_used() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
