"""The development key: the only key whose plaintext lies on disk, for this machine alone."""

from __future__ import annotations

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
    """
    present = _read(file)
    if present and KeyVerifier(pepper, await keys.snapshot()).verify(present) is not None:
        return False
    made = new_key(pepper)
    await keys.create(NAME, made.digest, development=True, key_id=made.id)
    _replace(file, made.plaintext)
    return True


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes().strip()
    except FileNotFoundError:
        return b""


def _replace(file: Path, plaintext: str) -> None:
    """Write the whole file, which takes the old one's place at once."""
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600 by contract
    with os.fdopen(descriptor, "w") as opened:
        opened.write(plaintext + "\n")
    Path(draft).replace(file)
