"""The development key: the only key whose plaintext lies on disk, for this machine alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hxp_services_base import KeyVerifier, new_key

if TYPE_CHECKING:
    from hxp_services_base import Pepper

    from ._keys import KeyStore

NAME = "development"


async def ensure_development_key(keys: KeyStore, pepper: Pepper, file: Path) -> bool:
    """See to it that `file` holds a development key that the ledger knows.

    Args:
        keys: Where keys are kept.
        pepper: What digests are keyed with.
        file: Where the plaintext lies, readable by its owner alone.

    Returns:
        Whether a new key was made: the file was missing, or its key is unknown or revoked.

    Raises:
        OSError: If the file cannot be read or written; the ledger then knows no key that lies nowhere.
    """
    present = _read(file)
    if present and KeyVerifier(pepper, await keys.snapshot()).verify(present) is not None:
        return False
    made = new_key(pepper)
    _replace(file, made.plaintext)  # first: a key in the file that nobody knows is made anew at the next start
    await keys.create(NAME, made.digest, development=True, key_id=made.id)
    return True


def _read(file: Path) -> bytes:
    try:
        present = file.read_bytes().strip()
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
    except FileNotFoundError:
        return b""
    return present


def _replace(file: Path, plaintext: str) -> None:
    """Write the whole file, which takes the old one's place at once."""
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600 by contract
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(plaintext + "\n")
        Path(draft).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(draft).unlink()
        raise
