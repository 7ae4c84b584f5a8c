"""API keys: made, stored as a digest, checked in constant time."""

from __future__ import annotations

import hmac
import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hxp_schemas import KeyRecord, KeySnapshot
from hxp_services_base._keyring import KeyVerifier, NewKey, Pepper, PepperError, digest, new_key

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def pepper() -> Pepper:
    return Pepper(bytes(range(32)))


def record(key: NewKey, *, revoked_at: datetime | None = None) -> KeyRecord:
    return KeyRecord(id=key.id, name="test", digest=key.digest, created_at=NOW, revoked_at=revoked_at)


def verifier(pepper: Pepper, *records: KeyRecord) -> KeyVerifier:
    return KeyVerifier(pepper, KeySnapshot(version=7, keys=list(records)))


def test_a_key_carries_its_identity_and_256_secret_bits(pepper: Pepper) -> None:
    key = new_key(pepper)
    assert re.fullmatch(r"hxp_[0-9A-HJKMNP-TV-Z]{26}_[A-Za-z0-9_-]{43}", key.plaintext)
    assert key.id == f"key_{key.plaintext[4:30]}"
    assert key.plaintext not in repr(key)


def test_only_a_keyed_digest_of_the_whole_key_is_kept(pepper: Pepper) -> None:
    """A6."""
    key = new_key(pepper)
    assert key.digest == digest(pepper, key.plaintext) == digest(pepper, key.plaintext.encode())
    assert key.digest == hmac.new(pepper.secret, key.plaintext.encode(), "sha256").hexdigest()
    assert key.digest != digest(Pepper(bytes(32)), key.plaintext)


def test_a_known_key_is_recognised(pepper: Pepper) -> None:
    keys = [new_key(pepper) for _ in range(3)]
    check = verifier(pepper, *map(record, keys))
    assert check.version == 7
    for key in keys:
        found = check.verify(key.plaintext.encode())
        assert found is not None
        assert found.id == key.id


def test_any_other_bytes_are_not_a_key(pepper: Pepper) -> None:
    """A1, A3."""
    key = new_key(pepper)
    check = verifier(pepper, record(key))
    good = key.plaintext.encode()
    wrong = [b"", good[:-1], good + b"a", good + b"\n", b" " + good, good.lower(), good.swapcase(), good * 80]
    wrong += [
        b"\xff" * 74,
        b"'; DROP TABLE api_keys; --",
        b"${jndi:ldap://x}",
        new_key(pepper).plaintext.encode(),
    ]
    wrong += [bytes([*good[:i], good[i] ^ 1, *good[i + 1 :]]) for i in range(len(good))]
    assert [text for text in wrong if check.verify(text) is not None] == []


def test_a_revoked_key_is_not_a_key(pepper: Pepper) -> None:
    """A7."""
    key = new_key(pepper)
    assert verifier(pepper, record(key, revoked_at=NOW)).verify(key.plaintext.encode()) is None


def test_every_check_compares_one_digest(pepper: Pepper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A6: an unknown key costs what a known one costs."""
    key = new_key(pepper)
    check = verifier(pepper, record(key))
    compared: list[tuple[int, int]] = []

    def compare(left: str, right: str) -> bool:
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for text in (key.plaintext.encode(), b"", b"x" * 74, new_key(pepper).plaintext.encode()):
        check.verify(text)
    assert compared == [(64, 64)] * 4


def test_a_pepper_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "state" / "pepper"
    made = Pepper.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert Pepper.load_or_create(str(path)) == made
    assert os.listdir(path.parent) == ["pepper"]  # noqa: PTH208 (names only)


def test_of_many_that_make_a_pepper_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: Pepper.load_or_create(path).secret, range(32)))
    assert len(made) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["pepper"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_pepper_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pepper"
    Pepper.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(PepperError, match="chmod 600"):
        Pepper.load_or_create(path)


def test_a_file_of_another_length_or_kind_is_no_pepper(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    for content in (b"", b"x" * 31, b"x" * 33):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(PepperError, match="32 bytes"):
            Pepper.load_or_create(path)
    with pytest.raises(PepperError, match="not a regular file"):
        Pepper.load_or_create(tmp_path)


def test_a_file_that_appears_meanwhile_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = b"o" * 32
    link = os.link

    def slow(source: Path, target: Path) -> None:
        target.write_bytes(other)
        target.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", slow)
    assert Pepper.load_or_create(tmp_path / "pepper").secret == other


def test_an_unwritten_pepper_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D1."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        Pepper.load_or_create(tmp_path / "pepper")
    assert list(tmp_path.iterdir()) == []


def test_a_pepper_does_not_show_itself(pepper: Pepper) -> None:
    """L4."""
    assert repr(pepper) == "Pepper()"
