"""The tree between the sources and the model: values that remember where they stood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ._origin import Origin

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    Key = Hashable


class Where(NamedTuple):
    """A place, without the value."""

    source: str
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def origin(self) -> Origin:
        """Return the place in its public form."""
        return Origin(*self)


class Opaque(NamedTuple):
    """A collection that is one value: YAML's sets and ordered maps."""

    value: Any


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place.

    `data` is a dict of nodes, a list of nodes or an opaque value. `raw` is the text it was written as. `key`
    is the place of the mapping key that leads here. `textual` marks values from a source that only knows
    text. `lost` is the node that this one replaced.
    """

    data: Any
    where: Where
    raw: str | None = None
    key: Where | None = None
    textual: bool = False
    lost: Node | None = None

    def plain(self) -> Any:
        """Return the value as plain dicts, lists and scalars."""
        if isinstance(self.data, dict):
            return {key: child.plain() for key, child in self.data.items()}
        if isinstance(self.data, list):
            return [child.plain() for child in self.data]
        return self.data.value if isinstance(self.data, Opaque) else self.data

    def child(self, segment: object) -> Node | None:
        """Return the child that a path segment or a pydantic location names."""
        if isinstance(self.data, list):
            index = str(segment)
            return self.data[int(index)] if index.isdecimal() and int(index) < len(self.data) else None
        if isinstance(self.data, dict):
            found = self.data.get(segment)
            if found is None:
                found = next((node for key, node in self.data.items() if str(key) == str(segment)), None)
            return found
        return None

    def origin(self) -> Origin:
        """Return where the value stands, and the places of what it replaced."""
        overridden: list[Origin] = []
        lost = self.lost
        while lost is not None:
            overridden.append(Origin(*lost.where, raw=lost.raw))
            lost = lost.lost
        return Origin(*self.where, raw=self.raw, overridden=tuple(overridden))

    def anchor(self) -> Where:
        """Return the place to point at: a scalar itself, the key of a section."""
        return self.key if self.key and isinstance(self.data, dict | list) else self.where

    def leaves(self, path: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], Node]]:
        """Yield every leaf with its path; an empty section counts as a leaf."""
        if isinstance(self.data, dict | list) and self.data:
            pairs = self.data.items() if isinstance(self.data, dict) else enumerate(self.data)
            for key, child in pairs:
                yield from child.leaves((*path, key))
        else:
            yield path, self


class Layer(NamedTuple):
    """What one source, or one variable of it, says.

    `fold` lets a key match an existing one regardless of case and of `-` against `_`.
    """

    root: Node
    fold: bool = False


def merge(base: Node, over: Node, fold: bool = False) -> Node:  # noqa: FBT001, FBT002 (two nodes and a flag, internal)
    """Lay `over` onto `base`: mappings merge deep, everything else is replaced."""
    if not (isinstance(base.data, dict) and isinstance(over.data, dict)):
        return replace(over, lost=base)
    merged = dict(base.data)
    for key, child in over.data.items():
        target = _existing(merged, key) if fold else key
        found = merged.get(target)
        merged[target] = child if found is None else merge(found, child, fold)
    return replace(base, data=merged)


def _existing(data: dict[Key, Node], key: Key) -> Key:
    if key in data:
        return key
    folded = _fold(key)
    return next((known for known in data if _fold(known) == folded), key)


def _fold(key: Key) -> str:
    return str(key).lower().replace("-", "_")
