"""Configuration files, and the files that they include."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import ConfigError, ConfigProblem
from ._merge import SIGNS, Layer
from ._node import Node, Position, Where
from ._text import FORMATS, MAX_BYTES, Format, read_text, refusal

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ._cache import ParseCache

MAX_INCLUDES = 64
"""Files that one file may bring in, directly and indirectly."""


@dataclass(frozen=True)
class File:
    """A YAML, JSON or TOML file of at most 1 MiB.

    Attributes:
        path: The file.
        optional: Whether a file that does not exist counts as empty.
        include: The key under which the file names others (a path or a list of them, relative to itself), which are
            read before it and so are weaker; None if it must not.
        format: `"yaml"`, `"json"` or `"toml"`; by the name's ending unless given.
        cache: Keeps what was parsed, so that an unchanged file is not parsed again.
    """

    path: str | os.PathLike[str]
    optional: bool = False
    include: str | None = None
    format: Format | None = None
    cache: ParseCache | None = field(default=None, repr=False, compare=False)

    def read(self) -> Sequence[Layer]:
        """Return a layer for each file that has content: those that are included first."""
        layers: list[Layer] = []
        self._collect(os.fspath(self.path), layers, (), [], self.optional)
        return layers

    def state(self) -> Hashable:
        """Return what `read` depends on: every file's path and the hash of its content."""
        seen: list[tuple[str, str | None]] = []
        try:
            self._collect(os.fspath(self.path), [], (), seen, self.optional)
        except ConfigError as error:
            return (*seen, str(error))
        return tuple(seen)

    def files(self) -> Sequence[Path]:
        """Return the files to watch: this one, and those that it includes as far as they can be read."""
        seen: list[tuple[str, str | None]] = []
        with contextlib.suppress(ConfigError):
            self._collect(os.fspath(self.path), [], (), seen, optional=True)
        return [Path(name) for name, _ in seen] or [Path(self.path)]

    def _collect(
        self,
        name: str,
        layers: list[Layer],
        above: tuple[str, ...],
        seen: list[Any],
        optional: bool = False,  # noqa: FBT001, FBT002 - internal
    ) -> None:
        where = Where(os.path.basename(name), name)  # noqa: PTH119 - a third of the cost of a Path
        if len(seen) > MAX_INCLUDES:
            raise refusal(f"more than {MAX_INCLUDES} files are included", where)
        try:
            data = read_regular_file(name)
        except FileNotFoundError:
            seen.append((name, None))
            if optional:
                return
            raise refusal("the file does not exist", where) from None
        except OSError as error:
            seen.append((name, None))
            raise refusal(f"cannot be read: {error.strerror}", where) from None
        digest = sha256(data).hexdigest()
        seen.append((name, digest))
        layer = self._parsed(data, digest, where)
        if layer is None:
            return
        if self.include is not None and self.include in layer.root.data:
            layer = self._with_included(layer, name, layers, (*above, os.path.realpath(name)), seen)
        layers.append(layer)

    def _parsed(self, data: bytes, digest: str, where: Where) -> Layer | None:
        form = self.format or FORMATS.get(os.path.splitext(where.source)[1].lower(), "yaml")  # noqa: PTH122 - as above
        if self.cache is None:
            return layer_of(decode(data, where), form, where, versioned=True)
        return self.cache.get(form, digest, where, lambda: layer_of(decode(data, where), form, where, versioned=True))

    def _with_included(
        self, layer: Layer, name: str, layers: list[Layer], open_files: tuple[str, ...], seen: list[Any]
    ) -> Layer:
        rest = dict(layer.root.data)
        named = rest.pop(self.include)
        for one in named.data if isinstance(named.data, list) else [named]:
            if not isinstance(one.data, str) or not one.data:
                raise ConfigError(
                    [ConfigProblem(str(self.include), "must be a path or a list of paths", one.where.origin())]
                )
            path = os.path.join(os.path.dirname(name), one.data)  # noqa: PTH118, PTH120 - keeps a relative name relative
            if os.path.realpath(path) in open_files:
                problem = ConfigProblem(
                    str(self.include), f"{one.data!r} includes itself, directly or not", one.where.origin()
                )
                raise ConfigError([problem])
            self._collect(path, layers, open_files, seen)
        return layer._replace(root=Node(rest, layer.root.base, layer.root.mark))


@dataclass(frozen=True)
class YamlFile(File):
    """A file that is YAML, whatever its name."""

    format: Format | None = "yaml"


def layer_of(text: str, form: Format, where: Where, *, versioned: bool = False) -> Layer | None:
    """Read a text as a layer; None if it is empty."""
    root = read_text(text, form, where)
    if root is None:
        return None
    return Layer(root, signed=has_signs(text), references="${" in text, versioned=versioned)


def has_signs(text: str) -> bool:
    """Tell whether some key of a text may end with a sign; a cheap look that may say yes in vain."""
    return any(f"{sign}{end}" in text for sign in SIGNS for end in (":", " :", '"', "'", " =", "="))


def read_regular_file(name: str, limit: int = MAX_BYTES) -> bytes:
    """Read a file that must be an ordinary one.

    Raises:
        OSError: It is not there, no ordinary file, too large, or cannot be read.
    """
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not block
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"larger than {limit} bytes")
        data = os.read(descriptor, status.st_size + 1)
        while len(data) <= limit and (more := os.read(descriptor, limit + 1 - len(data))):
            data += more  # it grew meanwhile, or is one of those whose size is told as 0
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes")
    return data


def decode(data: bytes, where: Where) -> str:
    """Decode UTF-8.

    Raises:
        ConfigError: It is not, with the place of the first wrong byte.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Counted on the original bytes: `error.object` has lost a byte order mark.
        before = error.object[: error.start].decode("utf-8", "replace")
        line = before.count("\n")
        raise refusal("is not UTF-8", where.at(Position(line, len(before) - (before.rfind("\n") + 1)))) from None
