"""Nothing that is committed knows the machine it was written on, nor the index behind it."""

import re
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from .workspace import NothingToCheckError

MACHINE = re.compile(r"(?<![\w.:/~$}-])/(?:root|work|home|Users|opt)/\w")
INDEX = re.compile(
    r"^\s*(?:index-url|extra-index-url|\[\[tool\.uv\.index\]\])|\b[a-z]+://[^\s\"'/]*/(?:[^\s\"']*/)?simple\b"
)
REGISTRY = re.compile(r'registry = "([^"]+://[^"]+)"')
EXAMPLE = ".invalid/"  # the domain that never exists (RFC 6761)


def tracked_texts(root: Path) -> dict[str, str]:
    """Read the tracked text files of a repository as the working tree has them; the lock as git has it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)  # noqa: S607
    texts: dict[str, str] = {}
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = root / name
        if name == "uv.lock" or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            texts[name] = content.decode()
    shown = subprocess.run(["git", "show", ":uv.lock"], cwd=root, capture_output=True, check=True)  # noqa: S607
    return {**texts, "uv.lock": shown.stdout.decode()}


def index_hosts(lock: str) -> set[str]:
    """Read the hosts of the indexes that a working `uv.lock` names."""
    return {host for address in REGISTRY.findall(lock) if (host := urlsplit(address).hostname)}


def told_addresses(texts: Mapping[str, str], *, hosts: Collection[str] = ()) -> list[str]:
    """Find package indexes and absolute paths of a machine.

    Args:
        texts: The content of each file.
        hosts: Further hosts that must not be named.

    Returns:
        One line for each place.
    """
    if not texts:
        raise NothingToCheckError("no tracked files")
    found = []
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE.search(line):
                found.append(f"{name}:{number}: a path of one machine: {line.strip()[:80]!r}")
            if (INDEX.search(line) and EXAMPLE not in line) or any(f"://{host}" in line for host in hosts):
                found.append(f"{name}:{number}: a package index: {line.strip()[:80]!r}")
    return found
