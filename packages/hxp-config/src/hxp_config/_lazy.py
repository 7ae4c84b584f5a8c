"""Exports that load the module behind a name when the name is first used (PEP 562)."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_exports(
    package: str, modules: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Build `__getattr__` and `__dir__` for a package.

    Args:
        package: `__name__` of the package.
        modules: The names that each submodule offers; under the empty name, submodules that are offered themselves.

    Returns:
        The two functions to bind at the top of the package's `__init__.py`.
    """
    home = {name: module for module, names in modules.items() for name in names}

    def get(name: str) -> object:
        module = home.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        if not module:
            return import_module(f"{package}.{name}")  # which also makes it an attribute of the package
        value: object = getattr(import_module(f"{package}.{module}"), name)
        setattr(sys.modules[package], name, value)  # the next use is a plain attribute
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return get, names
