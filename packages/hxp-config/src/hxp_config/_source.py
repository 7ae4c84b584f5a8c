"""The places a configuration is read from."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ._errors import ConfigError, ConfigProblem
from ._node import Layer, Node, Where
from ._path import split_path
from ._yaml import read_yaml, scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._origin import Origin

MAX_BYTES = 1 << 20
"""Size of a configuration file or text at the most."""


@runtime_checkable
class Source(Protocol):
    """Something that says a part of the configuration; later sources win."""

    def read(self) -> Sequence[Layer]:
        """Return what this source says, in layers that are laid on one another.

        Raises:
            ConfigError: The source cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A YAML file of at most 1 MiB.

    Args:
        path: The file.
        optional: Whether a file that does not exist counts as empty.
    """

    path: str | os.PathLike[str]
    optional: bool = False

    def read(self) -> Sequence[Layer]:
        """Return the one layer of the file, or none when it is empty or absent."""
        name = os.fspath(self.path)
        where = Where(Path(name).name, name)
        try:
            data = _read_regular_file(name)
        except FileNotFoundError:
            if self.optional:
                return ()
            raise _refusal("the file does not exist", where.origin()) from None
        except OSError as error:
            raise _refusal(f"cannot be read: {error.strerror}", where.origin()) from None
        return _layers(_decode(data, where), where)


@dataclass(frozen=True, slots=True)
class YamlText:
    """A YAML text that is already in memory.

    Args:
        text: The text.
        name: What to call it in messages.
    """

    text: str = field(repr=False)
    name: str

    def read(self) -> Sequence[Layer]:
        """Return the one layer of the text, or none when it is empty."""
        where = Where(self.name)
        if len(self.text) > MAX_BYTES:
            raise _refusal(f"larger than {MAX_BYTES} bytes", where.origin())
        return _layers(self.text, where)


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment variables such as `HXP__SERVICES__GATEWAY__PORT=9000`.

    Names are split at `__` and lower-cased; `_` also matches `-`, and any case, in keys of the sources
    before. A value is read as an unquoted YAML scalar, or as JSON when it starts with `{`, `[` or a quote; an
    empty one is the empty text.

    Args:
        prefix: The first part of the names.
        environ: The variables; the process's own when absent.
    """

    prefix: str = "HXP"
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def read(self) -> Sequence[Layer]:
        """Return one layer for each variable, shorter names first, so that longer ones refine them."""
        start = f"{self.prefix}__"
        environ = os.environ if self.environ is None else self.environ
        names = sorted((name for name in environ if name.startswith(start)), key=lambda name: (name.count("__"), name))
        layers: list[Layer] = []
        problems: list[ConfigProblem] = []
        for name in names:
            segments = tuple(name.removeprefix(start).lower().split("__"))
            if not all(segments):
                problems.append(ConfigProblem("", "a part of the name is empty", Where(name).origin()))
                continue
            try:
                layers.append(Layer(_nested(segments, _value(environ[name], Where(name))), fold=True))
            except ConfigError as error:
                problems.extend(error.errors)
        if problems:
            raise ConfigError(problems)
        return layers


@dataclass(frozen=True, slots=True)
class Overrides:
    """Assignments such as `services.gateway.port=9000`, as from a command line.

    Args:
        assignments: The assignments; values are read as those of `Environment`.
        source: What to call them in messages.
    """

    assignments: Sequence[str] = field(repr=False)
    source: str = "--set"

    def read(self) -> Sequence[Layer]:
        """Return one layer for each assignment."""
        where = Where(self.source)
        layers: list[Layer] = []
        problems: list[ConfigProblem] = []
        for assignment in self.assignments:
            path, sign, text = assignment.partition("=")
            try:
                if not sign:
                    raise _refusal(f"{path!r} is not an assignment, write path=value", where.origin())
                layers.append(Layer(_nested(_split(path, where), _value(text, where))))
            except ConfigError as error:
                problems.extend(error.errors)
        if problems:
            raise ConfigError(problems)
        return layers


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values given by the program.

    Args:
        mapping: The values, nested.
        source: What to call them in messages.
    """

    mapping: Mapping[str, Any] = field(repr=False)
    source: str = "defaults"

    def read(self) -> Sequence[Layer]:
        """Return the one layer of the mapping."""
        return (Layer(_from_python(self.mapping, Where(self.source))),)


def _split(path: str, where: Where) -> tuple[str, ...]:
    try:
        return split_path(path.strip())
    except ValueError as error:
        raise _refusal(str(error), where.origin()) from None


def _read_regular_file(name: str) -> bytes:
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not block
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MAX_BYTES} bytes")
    return data


def _decode(data: bytes, where: Where) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Counted on the original bytes: `error.object` has lost a byte order mark.
        before = error.object[: error.start].decode("utf-8", "replace")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        raise _refusal("is not UTF-8", Where(where.source, where.file, line, column).origin()) from None


def _layers(text: str, where: Where) -> Sequence[Layer]:
    root = read_yaml(text.removeprefix("\ufeff"), source=where.source, file=where.file)
    if root is None or (root.data is None and not root.raw):
        return ()
    if not isinstance(root.data, dict):
        raise _refusal("the top level must be a mapping", root.where.origin())
    return (Layer(root),)


def _value(text: str, where: Where) -> Node:
    """Read a value that came as text."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[", '"', "'")):
        try:
            return Node(scalar(text) if text else "", where, raw=text, textual=True)
        except ValueError as error:
            raise _refusal(f"the value {error}", where.origin()) from None
    try:
        root = read_yaml(stripped, source=where.source)
    except ConfigError:
        raise _refusal("the value is neither JSON nor YAML, quote it if it is a text", where.origin()) from None
    return _placed(root, where, text) if root else Node("", where, raw=text)


def _placed(node: Node, where: Where, raw: str | None) -> Node:
    """Give a whole tree one place: lines inside a variable say nothing."""
    data = node.data
    if isinstance(data, dict):
        data = {key: _placed(child, where, child.raw) for key, child in data.items()}
    elif isinstance(data, list):
        data = [_placed(child, where, child.raw) for child in data]
    return Node(data, where, raw=raw, textual=True)


def _nested(segments: Sequence[str], value: Node) -> Node:
    node = value
    for segment in reversed(segments):
        node = Node({segment: node}, value.base)
    return node


def _from_python(value: Any, where: Where) -> Node:
    if isinstance(value, dict):
        return Node({key: _from_python(child, where) for key, child in value.items()}, where)
    if isinstance(value, list | tuple):
        return Node([_from_python(child, where) for child in value], where)
    return Node(value, where, raw=str(value))


def _refusal(message: str, origin: Origin) -> ConfigError:
    return ConfigError([ConfigProblem("", message, origin)])
