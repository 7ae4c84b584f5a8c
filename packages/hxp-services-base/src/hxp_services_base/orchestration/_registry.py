"""Which services are installed: the entry-point group `hxp.services`."""

from __future__ import annotations

import importlib.metadata

from .._service import BaseService
from ._stack import StackError

GROUP = "hxp.services"


def service_type(use: str) -> type[BaseService[object]]:  # type: ignore[type-var]
    """The service class behind the entry point `use`.

    Raises:
        StackError: If no installed package offers it, it cannot be loaded, or what it offers is no service.
    """
    entries = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    if use not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise StackError(f"no service {use!r} is installed (installed: {known}); `pip install {use}` may bring it")
    try:
        found = entries[use].load()
    except Exception as error:  # whatever a package of somebody else raises while it is imported
        raise StackError(
            f"the service {use!r} ({entries[use].value}) cannot be loaded: {type(error).__name__}: {error}; install "
            "its package again"
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseService)):
        raise StackError(f"the entry point {use!r} of {GROUP} is {found!r}; it must be a subclass of BaseService")
    return found
