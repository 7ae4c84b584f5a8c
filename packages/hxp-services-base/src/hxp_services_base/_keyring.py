"""API keys: how they are made, what is stored of them, and how one is checked.

A key reads `hxp_<ULID>_<secret>`: the ULID is the identity, which may be seen, and the secret has 256 bits.
Only an HMAC of the whole key under the deployment's pepper is ever stored.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hxp_schemas import ApiKey

if TYPE_CHECKING:
    from hxp_schemas import KeyRecord, KeySnapshot

_PEPPER_BYTES = 32
_ULID = slice(4, 30)
_LENGTH = 74


class PepperError(Exception):
    """The pepper file cannot be used: it is readable by others, or is none."""


@dataclass(frozen=True, slots=True)
class Pepper:
    """The secret of a deployment, without which a stolen table of digests is worthless."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _PEPPER_BYTES:
            raise PepperError(f"a pepper has {_PEPPER_BYTES} bytes, not {len(self.secret)}")

    def pseudonym(self, name: str) -> str:
        """Return an opaque name of 32 characters for `name`, the same each time, from which it cannot be told."""
        return hmac.digest(self.secret, b"pseudonym\0" + name.encode(), "sha256").hex()[:32]

    @classmethod
    def load_or_create(cls, path: str | os.PathLike[str]) -> Pepper:
        """Read the pepper, or make it when there is none; of several that make it at once, one wins.

        Raises:
            PepperError: The file can be read by others, or holds something else.
        """
        file = Path(path)
        try:
            return cls(_read_private(file))
        except FileNotFoundError:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create_private(file, secrets.token_bytes(_PEPPER_BYTES))
            return cls(_read_private(file))


class NewKey(NamedTuple):
    """A key that was just made: the only moment at which its plaintext exists on our side."""

    id: str
    plaintext: str
    digest: str

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r})"


def new_key(pepper: Pepper) -> NewKey:
    """Make a key."""
    plaintext = ApiKey.generate().reveal()
    return NewKey(f"key_{plaintext[_ULID]}", plaintext, digest(pepper, plaintext))


def digest(pepper: Pepper, plaintext: str | bytes) -> str:
    """Return the HMAC-SHA-256 of a key, in lower-case hex: what is stored of it."""
    data = plaintext if isinstance(plaintext, bytes) else plaintext.encode()
    return hmac.digest(pepper.secret, data, "sha256").hex()


class KeyVerifier:
    """Checks presented keys against a snapshot, in a time that does not depend on how wrong they are.

    Args:
        pepper: The secret of the deployment.
        snapshot: The keys.
    """

    def __init__(self, pepper: Pepper, snapshot: KeySnapshot) -> None:
        self._pepper = pepper
        self._records: dict[bytes, KeyRecord] = {}
        self._dummy = secrets.token_hex(32)
        self.apply(snapshot)

    def __len__(self) -> int:
        """Return the number of keys that are valid."""
        return len(self._records)

    def apply(self, snapshot: KeySnapshot) -> None:
        """Take keys that are new or have changed; revoked ones leave."""
        self.version = snapshot.version
        for record in snapshot.keys:
            name = record.id.removeprefix("key_").encode()
            if record.revoked_at is None:
                self._records[name] = record
            else:
                self._records.pop(name, None)

    def knows(self, presented: bytes) -> bool:
        """Return whether there is a valid key of this id, or no key can have it."""
        return len(presented) != _LENGTH or presented[_ULID] in self._records

    def verify(self, presented: bytes) -> KeyRecord | None:
        """Return the record of a valid key; None for any other bytes, and for a revoked key."""
        record = self._records.get(presented[_ULID])
        # One byte more than a key has is enough to tell a longer text from it.
        computed = digest(self._pepper, presented[: _LENGTH + 1])
        matches = hmac.compare_digest(computed, self._dummy if record is None else record.digest)
        return record if matches and record is not None else None


def _read_private(file: Path) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PepperError(f"{file} is not a regular file")
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise PepperError(f"{file} can be used by others, run: chmod 600 {file}")
        return os.read(descriptor, _PEPPER_BYTES + 1)
    finally:
        os.close(descriptor)


def _create_private(file: Path, data: bytes) -> None:
    """Write a whole file that appears at once, and never over another one."""
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600 by contract
    try:
        with open(descriptor, "wb") as opened:  # noqa: PTH123 (a descriptor)
            opened.write(data)
            opened.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        Path(draft).unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
