"""Submodules that are loaded when they are first used (PEP 562)."""

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from types import ModuleType


def lazy_modules(package: str, modules: Collection[str]) -> tuple[Callable[[str], ModuleType], Callable[[], list[str]]]:
    """Build `__getattr__` and `__dir__` for a package that offers its submodules as attributes.

    Args:
        package: `__name__` of the package.
        modules: The submodules' names.

    Returns:
        The two functions to bind at the top of the package's `__init__.py`.
    """

    def get(name: str) -> ModuleType:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        return import_module(f"{package}.{name}")  # which also makes it an attribute of the package

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return get, names
