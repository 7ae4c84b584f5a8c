"""What was parsed once, kept in memory and, if wanted, on disk.

The cache on disk may be deleted at any time. It never holds a secret: a file in which a key that sounds like one has
a value that is no reference is not written. Entries are JSON, named by the hash of the content and of all that decides
how it is read.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hxp_schemas import SecretReference

from ._merge import Layer
from ._node import Node, Position, Where
from ._secrecy import sounds_secret

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMAT = 1
_KEPT = 256


@dataclass(slots=True)
class ParseCache:
    """Parsed files by their content.

    Args:
        directory: Where to keep them between runs as well; None keeps them in memory alone.
    """

    directory: str | os.PathLike[str] | None = None
    hits: int = 0
    misses: int = 0
    _entries: dict[tuple[str, str, Where], Layer | None] = field(default_factory=dict, repr=False)

    def get(self, form: str, digest: str, where: Where, parse: Callable[[], Layer | None]) -> Layer | None:
        """Return what a content is, parsing it if that was not done before.

        Args:
            form: Its format.
            digest: Its hash.
            where: What it is called.
            parse: Does the work; its errors are the caller's and are not kept.
        """
        key = (form, digest, where)
        if key in self._entries:
            self.hits += 1
            return self._entries[key]
        layer = self._from_disk(form, digest, where)
        if layer is None:
            self.misses += 1
            layer = parse()
            self._to_disk(form, digest, layer)
        else:
            self.hits += 1
        if len(self._entries) >= _KEPT:
            self._entries.pop(next(iter(self._entries)))
        self._entries[key] = layer
        return layer

    def _path(self, form: str, digest: str) -> Path | None:
        if self.directory is None:
            return None
        name = sha256(f"{_FORMAT} {version('hxp-config')} {version('PyYAML')} {form} {digest}".encode()).hexdigest()
        return Path(self.directory, f"{name}.json")

    def _from_disk(self, form: str, digest: str, where: Where) -> Layer | None:
        path = self._path(form, digest)
        if path is None:
            return None
        try:
            stored = json.loads(path.read_bytes())
            return Layer(_unpacked(stored["root"], where), *map(bool, stored["traits"]))
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return None  # absent or damaged: it is made again

    def _to_disk(self, form: str, digest: str, layer: Layer | None) -> None:
        path = self._path(form, digest)
        if path is None or layer is None or _holds_secret(layer.root):
            return
        try:
            stored = json.dumps({"root": _packed(layer.root), "traits": list(layer[1:])})
        except (TypeError, ValueError, RecursionError):
            return  # dates, binary data: these are parsed each time
        with contextlib.suppress(OSError):  # a cache that cannot be written is none
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, draft = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(descriptor, "w") as file:
                file.write(stored)
            os.replace(draft, path)  # noqa: PTH105 - the draft is a name


def _holds_secret(node: Node) -> bool:
    for path, leaf in node.leaves():
        if any(sounds_secret(str(key)) for key in path) and leaf.data and not SecretReference.is_reference(leaf.data):
            return True
        if isinstance(leaf.data, str) and "://" in leaf.data and "@" in leaf.data:  # a password inside an address
            return True
    return False


def _packed(node: Node) -> list[Any]:
    if isinstance(node.data, dict):
        if not all(isinstance(key, str) for key in node.data):
            raise TypeError("JSON knows no keys but strings")
        data: Any = {key: _packed(child) for key, child in node.data.items()}
    else:
        data = [_packed(child) for child in node.data] if isinstance(node.data, list) else node.data
        if not isinstance(data, list | str | int | float | bool | None):
            raise TypeError("JSON does not know this type")
    mark, key = node.mark, node.key_mark
    return [data, mark and [mark.line, mark.column], node.raw, key and [key.line, key.column]]


def _unpacked(stored: list[Any], where: Where) -> Node:
    data, mark, raw, key = stored
    if isinstance(data, dict):
        data = {name: _unpacked(child, where) for name, child in data.items()}
    elif isinstance(data, list):
        data = [_unpacked(child, where) for child in data]
    return Node(data, where, mark and Position(*mark), raw, key and Position(*key))
