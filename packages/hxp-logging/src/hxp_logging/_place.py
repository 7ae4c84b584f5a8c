"""Where an open file is."""

import os
from pathlib import Path


def is_at(descriptor: int, path: Path) -> bool:
    """Tell whether a path leads to the file behind a descriptor."""
    try:
        there = path.stat()
    except OSError:
        return False
    here = os.fstat(descriptor)
    return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)
