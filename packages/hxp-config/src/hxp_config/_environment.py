"""Values that come as text under a name: environment variables, dotenv files, secret files, assignments."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import ConfigError, ConfigProblem
from ._file import decode, read_regular_file
from ._merge import SIGNS, Layer
from ._node import Node, Position, Where
from ._path import split_path
from ._text import refusal
from ._yaml import read_yaml, scalar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

MAX_SECRET = 1 << 16
"""Bytes of one file of a secrets directory."""
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=[ \t]*")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


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
        return _layers(self.prefix, [(name, text, Where(name)) for name, text in self._variables()])

    def state(self) -> Hashable:
        """Return a hash of the variables under the prefix."""
        return sha256(repr(sorted(self._variables())).encode("utf-8", "surrogatepass")).hexdigest()

    def _variables(self) -> list[tuple[str, str]]:
        environ = os.environ if self.environ is None else self.environ
        start = f"{self.prefix}__"
        return [(name, environ[name]) for name in environ if name.startswith(start)]  # decodes only what is ours


@dataclass(frozen=True, slots=True)
class DotenvFile:
    r"""A file of `NAME=value` lines, read like environment variables under the prefix; other names are passed over.

    Comments, `export`, single quotes (as they stand) and double quotes (with `\n`, `\t`, `\"`, `\\`) are
    understood; quoted values may span lines. There is no `$` expansion: what a password holds is nobody's syntax.

    Args:
        path: The file, at most 1 MiB.
        prefix: The first part of the names.
        optional: Whether a file that does not exist counts as empty.
    """

    path: str | os.PathLike[str]
    prefix: str = "HXP"
    optional: bool = True

    def read(self) -> Sequence[Layer]:
        """Return one layer for each variable under the prefix."""
        found = [
            (name, text, where) for name, text, where in self._assignments() if name.startswith(f"{self.prefix}__")
        ]
        return _layers(self.prefix, found)

    def variables(self) -> dict[str, str]:
        """Return all variables, for `${env:NAME}`."""
        return {name: text for name, text, _ in self._assignments()}

    def state(self) -> Hashable:
        """Return a hash of the file's content, or what is wrong with it."""
        try:
            return sha256(read_regular_file(os.fspath(self.path))).hexdigest()
        except OSError as error:
            return error.errno

    def files(self) -> Sequence[Path]:
        """Return the file to watch."""
        return [Path(self.path)]

    def _assignments(self) -> list[tuple[str, str, Where]]:
        name = os.fspath(self.path)
        where = Where(os.path.basename(name), name)  # noqa: PTH119 - a third of the cost of a Path
        try:
            text = decode(read_regular_file(name), where)
        except FileNotFoundError:
            if self.optional:
                return []
            raise refusal("the file does not exist", where) from None
        except OSError as error:
            raise refusal(f"cannot be read: {error.strerror}", where) from None
        return list(_dotenv(text, where))


@dataclass(frozen=True, slots=True)
class SecretsDirectory:
    """A directory with one file a value, as Kubernetes mounts secrets: `services__gateway__token`.

    The files' names are read like those of environment variables, with or without the prefix; what they hold is text
    without its last line end, secret in every message, and read again at each load. Names that begin with a dot (such
    as Kubernetes' own `..data`) and directories are passed over.

    Args:
        path: The directory.
        prefix: May stand before the names.
        optional: Whether a directory that does not exist counts as empty.
    """

    path: str | os.PathLike[str]
    prefix: str = "HXP"
    optional: bool = True

    def read(self) -> Sequence[Layer]:
        """Return one layer for each file."""
        found: list[tuple[str, str, Where]] = []
        problems: list[ConfigProblem] = []
        for file, path in self._entries():
            where = Where(file, path, secret=True)
            try:
                text = decode(read_regular_file(path, MAX_SECRET), where)
            except OSError as error:
                problems.append(ConfigProblem("", f"cannot be read: {error.strerror}", where.origin()))
            except ConfigError as error:
                problems += error.errors
            else:
                name = file if file.startswith(f"{self.prefix}__") else f"{self.prefix}__{file}"
                found.append((name, text.removesuffix("\n").removesuffix("\r"), where))
        if problems:
            raise ConfigError(problems)
        return _layers(self.prefix, found, secret=True)

    def state(self) -> Hashable:
        """Return the names of the files, and what tells one state of a file from another."""
        try:
            return tuple((path, *_identity(path)) for _, path in self._entries())
        except (OSError, ConfigError) as error:
            return str(error)

    def files(self) -> Sequence[Path]:
        """Return the directory to watch."""
        return [Path(self.path)]

    def _entries(self) -> list[tuple[str, str]]:
        """The files' names and paths."""
        folder = os.fspath(self.path)
        where = Where(Path(folder).name, folder)
        try:
            with os.scandir(folder) as entries:
                return sorted(
                    (one.name, one.path) for one in entries if not one.name.startswith(".") and not one.is_dir()
                )
        except FileNotFoundError:
            if self.optional:
                return []
            raise refusal("the directory does not exist", where) from None
        except OSError as error:
            raise refusal(f"cannot be read: {error.strerror}", where) from None


def _identity(path: str) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116 - of what a link leads to
    return status.st_ino, status.st_mtime_ns, status.st_size


@dataclass(frozen=True, slots=True)
class Overrides:
    """Assignments such as `services.gateway.port=9000`, as from a command line; `tags+=[x]` appends.

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
                    raise refusal(f"{path!r} is not an assignment, write path=value", where)
                segments = _split(path, where)
                value = _textual(_value(text, where))
                layers.append(Layer(_nested(segments, value), signed=path.rstrip()[-1:] in SIGNS))
            except ConfigError as error:
                problems.extend(error.errors)
        if problems:
            raise ConfigError(problems)
        return layers

    def state(self) -> Hashable:
        """Return the assignments, which never change."""
        return ()


def _layers(prefix: str, found: Iterable[tuple[str, str, Where]], *, secret: bool = False) -> list[Layer]:
    layers: list[Layer] = []
    problems: list[ConfigProblem] = []
    for name, text, where in sorted(found, key=lambda one: (one[0].count("__"), one[0])):
        segments = tuple(name.removeprefix(f"{prefix}__").lower().split("__"))
        if not all(segments):
            problems.append(ConfigProblem("", "a part of the name is empty", where.origin()))
            continue
        try:
            value = Node(text, where, raw=text, textual=True) if secret else _textual(_value(text, where))
            layers.append(Layer(_nested(segments, value), fold=True))
        except ConfigError as error:
            problems.extend(error.errors)
    if problems:
        raise ConfigError(problems)
    return layers


def _dotenv(text: str, where: Where) -> Iterable[tuple[str, str, Where]]:
    position = line = 0
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        stripped = text[position:end].strip()
        if not stripped or stripped.startswith("#"):
            position, line = end + 1, line + 1
            continue
        match = _ASSIGNMENT.match(text, position, end)
        if match is None:
            column = len(text[position:end]) - len(text[position:end].lstrip())
            raise refusal("is not an assignment, write NAME=value", where.at(Position(line, column)))
        place = where.at(Position(line, match.end() - position))
        value, after = _dotenv_value(text, match.end(), end, place)
        yield match["name"], value, place
        line += text.count("\n", position, after) + 1
        position = after + 1


def _dotenv_value(text: str, start: int, end: int, place: Where) -> tuple[str, int]:
    """The value that begins at `start`, and where its last line ends."""
    if text[start : start + 1] in {'"', "'"}:
        pattern = _DOUBLE if text[start] == '"' else _SINGLE
        match = pattern.match(text, start)
        if match is None:
            raise refusal("the quote never ends", place)
        stop = text.find("\n", match.end())
        stop = len(text) if stop < 0 else stop
        rest = text[match.end() : stop].strip()
        if rest and not rest.startswith("#"):
            raise refusal("something stands behind the closing quote", place)
        inner = match[1]
        if text[start] == '"':
            inner = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), inner, flags=re.DOTALL)
        return inner, stop
    return re.split(r"\s#", text[start:end], maxsplit=1)[0].strip(), end


def _split(path: str, where: Where) -> tuple[str, ...]:
    try:
        return split_path(path.strip())
    except ValueError as error:
        raise refusal(str(error), where) from None


def _value(text: str, where: Where) -> Node:
    """Read a value that came as text."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[", '"', "'")):
        try:
            return Node(scalar(text) if text else "", where, raw=text)
        except ValueError as error:
            raise refusal(f"the value {error}", where) from None
    try:
        root = read_yaml(stripped, source=where.source)
    except ConfigError:
        raise refusal("the value is neither JSON nor YAML, quote it if it is a text", where) from None
    return _placed(root, where, text) if root else Node("", where, raw=text)


def _placed(node: Node, where: Where, raw: str | None) -> Node:
    """Give a whole tree one place: lines inside a variable say nothing."""
    data = node.data
    if isinstance(data, dict):
        data = {key: _placed(child, where, child.raw) for key, child in data.items()}
    elif isinstance(data, list):
        data = [_placed(child, where, child.raw) for child in data]
    return Node(data, where, raw=raw)


def _textual(node: Node) -> Node:
    """Mark a tree as one of a source that knows text alone: a field that wants a text gets what was written."""
    node.textual = True
    for child in (
        node.data.values() if isinstance(node.data, dict) else node.data if isinstance(node.data, list) else ()
    ):
        _textual(child)
    return node


def _nested(segments: Sequence[str], value: Node) -> Node:
    node = value
    for segment in reversed(segments):
        node = Node({segment: node}, value.base)
    return node


def from_python(value: Any, where: Where) -> Node:
    """Turn dicts, lists and scalars of the program into nodes."""
    if isinstance(value, dict):
        return Node({key: from_python(child, where) for key, child in value.items()}, where)
    if isinstance(value, list | tuple):
        return Node([from_python(child, where) for child in value], where)
    return Node(value, where, raw=str(value))
