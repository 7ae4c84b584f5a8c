"""The folder in which a stack keeps its state: its owner's alone, from the first moment."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

PRIVATE_UMASK = 0o077
"""What a process of a stack sets, so that nothing it makes can be read by others."""


class StateDirError(RuntimeError):
    """A state folder cannot be used; the message says why and what to do."""


def prepare_state_dir(state_dir: Path) -> list[str]:
    """Make the folder, or see to it that it and all in it are this user's alone.

    Args:
        state_dir: The folder.

    Returns:
        The files and folders that others could use, and cannot any more.

    Raises:
        StateDirError: If it belongs to somebody else, or cannot be written.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = state_dir.resolve()  # it may be a link to a larger disk
        tightened = [str(path) for path in _entries(real) if _tighten(path)]
        _try_to_write(real)
    except FileExistsError:
        raise StateDirError(f"the state folder {str(state_dir)!r} is a file; move it away") from None
    except OSError as error:
        raise StateDirError(
            f"the state folder {str(state_dir)!r} cannot be written ({error.strerror or error}); free some space or "
            "make it writable"
        ) from error
    return tightened


def check_owner(path: Path) -> None:
    """Refuse a file or folder that somebody else owns or can write.

    Raises:
        StateDirError: If so.
        OSError: If it is not there, or cannot be looked at.
    """
    found = path.lstat() if path.is_symlink() else path.stat()
    if found.st_uid != os.geteuid():
        raise StateDirError(
            f"{str(path)!r} belongs to user {found.st_uid}, and you are user {os.geteuid()}; nothing that it says is "
            "trusted: run the command as its owner"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(found.st_mode):
        raise StateDirError(f"others can write {str(path)!r}; nothing that it says is trusted: chmod go-w it")


def _entries(state_dir: Path) -> list[Path]:
    found = [state_dir]
    for folder, folders, files in os.walk(state_dir):
        found += [Path(folder, name) for name in (*folders, *files)]
    return found


def _tighten(path: Path) -> bool:
    """Take every right of others away; tells whether there was one. Links are left alone: only their target counts."""
    try:
        found = path.lstat()
    except FileNotFoundError:  # gone since it was listed
        return False
    if stat.S_ISLNK(found.st_mode):
        return False
    if found.st_uid != os.geteuid():
        raise StateDirError(
            f"{str(path)!r} belongs to user {found.st_uid}, and you are user {os.geteuid()}; give the stack a state "
            "folder of its own, or run it as that user"
        )
    if not found.st_mode & 0o077:
        return False
    if stat.S_ISSOCK(found.st_mode):  # it cannot be opened
        path.chmod(stat.S_IMODE(found.st_mode) & 0o700)
        return True
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & 0o700)
    finally:
        os.close(descriptor)
    return True


def _try_to_write(state_dir: Path) -> None:
    with tempfile.TemporaryFile(dir=state_dir) as file:
        file.write(b"\0" * 4096)
        file.flush()
