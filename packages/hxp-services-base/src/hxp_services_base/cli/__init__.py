"""The `hxp` command; needs the extra `cli`."""

from ._entry import main

__all__ = ["main"]
