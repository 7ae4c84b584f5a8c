"""Packages that are loaded when they are first used (PEP 562)."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module, metadata


def lazy_packages(
    package: str, packages: Mapping[str, str], *, extras: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Build `__getattr__` and `__dir__` for a package that hands others on.

    Args:
        package: `__name__` of the package; `__version__` is that of its distribution.
        packages: The module behind each attribute.
        extras: The extra of the distribution that an attribute needs.

    Returns:
        The two functions to bind at the top of the package's `__init__.py`.
    """
    distribution = package.replace("_", "-")

    def load(name: str) -> object:
        if name == "__version__":
            return metadata.version(distribution)
        if name not in packages:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        try:
            return import_module(packages[name])
        except ModuleNotFoundError as error:
            if error.name != packages[name] or name not in extras:
                raise
            wanted = f'pip install "{distribution}[{extras[name]}]"'
            raise ImportError(f"{package}.{name} needs an extra: {wanted}", name=packages[name]) from error

    def get(name: str) -> object:
        value = load(name)
        setattr(sys.modules[package], name, value)  # the next use is a plain attribute
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *packages, "__version__"})

    return get, names
