"""Where an open file is."""

import os


def is_at(descriptor: int, path: "str | os.PathLike[str]") -> bool:
    """Tell whether a path leads to the file behind a descriptor."""
    try:
        there = os.stat(path)  # noqa: PTH116 - importing pathlib would cost more than all of this package
    except OSError:
        return False
    here = os.fstat(descriptor)
    return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)
