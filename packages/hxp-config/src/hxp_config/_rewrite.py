"""A file brought up to date on disk, comments and all; needs the extra `migrate`."""

from __future__ import annotations

import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import ConfigError, ConfigProblem
from ._file import decode, layer_of, read_regular_file
from ._node import Where
from ._text import refusal

if TYPE_CHECKING:
    from hxp_schemas import Rewrite

    from ._migration import AppliedRewrite, Migration


@dataclass(frozen=True, slots=True)
class FileMigration:
    """What a migration does to a file.

    Attributes:
        path: The file.
        text: What it should hold.
        rewrites: What is changed; empty if it is up to date.
    """

    path: Path
    text: str
    rewrites: tuple[AppliedRewrite, ...]

    def write(self) -> None:
        """Replace the file; killed at any moment, it leaves either the old or the new one, whole.

        Raises:
            OSError: The file's folder cannot be written.
        """
        mode = self.path.stat().st_mode & 0o7777
        target = Path(os.path.realpath(self.path))
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(self.text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(draft, target)  # noqa: PTH105 - the draft is a name
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the rename itself
        finally:
            os.close(folder)


def migrate_file(path: str | os.PathLike[str], migration: Migration) -> FileMigration:
    """Find what a YAML file should hold at the newest version.

    Args:
        path: The file.
        migration: The chain, and the key that holds the version.

    Raises:
        ConfigError: The file cannot be read, or not be migrated.
    """
    name = os.fspath(path)
    where = Where(Path(name).name, name)
    try:
        text = decode(read_regular_file(name), where)
    except OSError as error:
        raise refusal(f"cannot be read: {error.strerror}", where) from None
    layer = layer_of(text, "yaml", where, versioned=True)
    if layer is None:
        return FileMigration(Path(path), text, ())
    (migrated,), rewrites = migration.apply([layer])
    if migrated.root is layer.root:
        return FileMigration(Path(path), text, ())
    wanted = {migration.version_field: migration.chain.current, **migrated.root.plain()}
    written = _rewritten(text, [one.rewrite for one in rewrites], wanted, migration.version_field)
    again = layer_of(written, "yaml", where)
    if again is None or again.root.plain() != wanted:
        problem = (
            "the steps change what their drafts do not tell, so that the file cannot be rewritten; edit it by hand"
        )
        raise ConfigError([ConfigProblem("", problem, where.origin())])
    return FileMigration(Path(path), written, tuple(rewrites))


def _rewritten(text: str, rewrites: list[Rewrite], wanted: dict[str, Any], version_field: str) -> str:
    try:
        from ruamel.yaml import YAML  # noqa: PLC0415 - an extra
    except ImportError:
        problem = ConfigProblem("", "rewriting a file needs the extra: pip install 'hxp-config[migrate]'")
        raise ConfigError([problem]) from None
    yaml = YAML(typ="rt")
    yaml.version = (1, 1)  # as PyYAML reads it
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    document = yaml.load(text)
    for rewrite in rewrites:
        if rewrite.kind == "set":
            _put(document, rewrite.to or (), _at(wanted, rewrite.to or ()), None)
        elif rewrite.to and rewrite.to[:-1] == rewrite.path[:-1]:
            _rename(_at(document, rewrite.path[:-1]), rewrite.path[-1], rewrite.to[-1])
        else:
            value, comment = _taken(_at(document, rewrite.path[:-1]), rewrite.path[-1])
            if rewrite.to:
                _put(document, rewrite.to, value, comment)
    if version_field in document:
        document[version_field] = wanted[version_field]
    else:
        document.insert(0, version_field, wanted[version_field])
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue().removeprefix("%YAML 1.1\n---\n")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _rename(holder: Any, name: str, to: str) -> None:
    """Give a key another name at its place."""
    place = list(holder).index(name)
    comment = holder.ca.items.pop(name, None)
    holder.insert(place, to, holder.pop(name))
    if comment is not None:
        holder.ca.items[to] = comment


def _taken(holder: Any, name: str) -> tuple[Any, Any]:
    """Take a key out: what stands behind its value goes with it, lines of comment below stay where they are."""
    place = list(holder).index(name)
    slots = holder.ca.items.pop(name, None)
    value = holder.pop(name)
    token = slots[2] if slots else None
    if token is not None:
        own, end, below = token.value.partition("\n")
        if below.strip():
            _keep(holder, place, below)
        token.value = own + end
    return value, slots


def _keep(holder: Any, place: int, comment: str) -> None:
    """Put lines of comment where they were: below the key before, or above all."""
    from ruamel.yaml.error import CommentMark  # noqa: PLC0415 - an extra
    from ruamel.yaml.tokens import CommentToken  # noqa: PLC0415 - as above

    if place == 0:
        above = holder.ca.comment or [None, []]
        lines = [
            CommentToken(line.lstrip() + "\n", CommentMark(0), None) for line in comment.splitlines() if line.strip()
        ]
        holder.ca.comment = [above[0], [*(above[1] or []), *lines]]
        return
    before = list(holder)[place - 1]
    slots = holder.ca.items.setdefault(before, [None, None, None, None])
    if slots[2] is None:
        slots[2] = CommentToken("\n" + comment, CommentMark(0), None)
    else:
        slots[2].value = slots[2].value.rstrip("\n") + "\n" + comment


def _put(document: Any, path: tuple[str, ...], value: Any, comment: Any) -> None:
    holder = document
    for name in path[:-1]:
        holder = holder.setdefault(name, type(document)())
    holder[path[-1]] = value
    if comment is not None:
        holder.ca.items[path[-1]] = comment
