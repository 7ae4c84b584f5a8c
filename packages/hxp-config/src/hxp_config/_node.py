"""The tree between the sources and the model: values that remember where they stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ._origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator


class Where(NamedTuple):
    """A place, without the value."""

    source: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    secret: bool = False
    """Whether all that stands there is secret."""

    def at(self, mark: Mark | None) -> Where:
        """Return a position in this source."""
        return self if mark is None else Where(self.source, self.file, mark.line + 1, mark.column + 1, self.secret)

    def origin(self) -> Origin:
        """Return the place in its public form."""
        return Origin(*self[:4])


class Position(NamedTuple):
    """A mark of our own, for sources that PyYAML does not read."""

    line: int
    column: int


class Opaque(NamedTuple):
    """A collection that is one value: YAML's sets and ordered maps."""

    value: Any


class Mark(Protocol):
    """What a parser keeps of a position; PyYAML's marks are such."""

    @property
    def line(self) -> int:
        """Counted from 0."""
        ...

    @property
    def column(self) -> int:
        """Counted from 0, in characters."""
        ...


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place.

    Positions stay the parser's marks until somebody asks for them: hardly any of them is ever asked for, and making
    them costs as much as the parsing does.

    Attributes:
        data: A dict of nodes, a list of nodes or an opaque value.
        base: The source, without a position.
        mark: The position in it; None for a source without positions.
        raw: The text that the value was written as.
        key_mark: The position of the mapping key that leads here.
        textual: Whether it came from a source that only knows text.
        lost: The node that this one replaced.
    """

    data: Any
    base: Where
    mark: Mark | None = None
    raw: str | None = None
    key_mark: Mark | None = None
    textual: bool = False
    lost: Node | None = None

    @property
    def where(self) -> Where:
        """The place of the value."""
        return self.base.at(self.mark)

    @property
    def key(self) -> Where:
        """The place of the key that leads here, or else of the value."""
        return self.base.at(self.key_mark or self.mark)

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
            overridden.append(Origin(*lost.where[:4], raw=lost.raw))
            lost = lost.lost
        return Origin(*self.where[:4], raw=self.raw, overridden=tuple(overridden))

    def anchor(self) -> Where:
        """Return the place to point at: a scalar itself, the key of a section."""
        return self.key if isinstance(self.data, dict | list) else self.where

    def leaves(self, path: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], Node]]:
        """Yield every leaf with its path; an empty section counts as a leaf."""
        if isinstance(self.data, dict | list) and self.data:
            pairs = self.data.items() if isinstance(self.data, dict) else enumerate(self.data)
            for key, child in pairs:
                yield from child.leaves((*path, key))
        else:
            yield path, self
