"""Laying one layer on another.

Mappings merge deep, all else is replaced. A sign at the end of a key asks for something else:

    tags+: [c]      append to the list that is there
    limits!: {}     replace the mapping instead of merging into it
    limits~:        take out what is there

Doubled, the sign is a part of the key itself: `c++: 1` says `c+`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ._errors import ConfigError, ConfigProblem
from ._node import Node
from ._path import join_path

Key = Hashable
SIGNS = "+!~"


class Layer(NamedTuple):
    """What one source, or one variable of it, says.

    Attributes:
        root: A mapping.
        fold: Whether a key matches an existing one regardless of case and of `-` against `_`.
        signed: Whether some key may end with a sign.
        references: Whether some text may hold `${…}`.
        versioned: Whether it is a document with a version of its own, to be migrated.
    """

    root: Node
    fold: bool = False
    signed: bool = False
    references: bool = False
    versioned: bool = False


def merge(root: Node, layer: Layer) -> Node:
    """Lay a layer onto what the ones before said.

    Raises:
        ConfigError: A sign that cannot be followed, with its place.
    """
    merging = _Merging(layer.fold, layer.signed)
    merged = merging.onto(root, layer.root, ())
    if merging.problems:
        raise ConfigError(merging.problems)
    return merged


@dataclass
class _Merging:
    fold: bool
    signed: bool
    problems: list[ConfigProblem] = field(default_factory=list)

    def onto(self, base: Node, over: Node, path: tuple[Key, ...]) -> Node:
        if not (isinstance(base.data, dict) and isinstance(over.data, dict)):
            return _in_place_of(base, self._alone(over, path))
        merged = dict(base.data)
        for key, child in over.data.items():
            name, sign = self._read(key)
            target = _existing(merged, name) if self.fold else name
            if sign:
                self._follow(sign, merged, target, child, (*path, target))
            else:
                found = merged.get(target)
                below = (*path, target)
                merged[target] = self._alone(child, below) if found is None else self.onto(found, child, below)
        return Node(merged, base.base, base.mark, base.raw, base.key_mark, base.textual, base.lost)

    def _alone(self, node: Node, path: tuple[Key, ...]) -> Node:
        """A node that meets nothing: its signs are followed all the same."""
        if self.signed and isinstance(node.data, dict):
            return replace(self.onto(replace(node, data={}), node, path), lost=node.lost)
        return node

    def _read(self, key: Key) -> tuple[Key, str]:
        if not (self.signed and isinstance(key, str) and key[-1:] in SIGNS and len(key) > 1):
            return key, ""
        return (key[:-1], "") if key[-2] == key[-1] else (key[:-1], key[-1])

    def _follow(self, sign: str, merged: dict[Key, Node], key: Key, child: Node, path: tuple[Key, ...]) -> None:
        found = merged.get(key)
        if sign == "~":
            merged.pop(key, None)
            if child.data is not None:
                self._refuse(path, "a key that is taken out with '~' has no value", child)
        elif sign == "!":
            merged[key] = self._alone(child, path) if found is None else _in_place_of(found, self._alone(child, path))
        elif not isinstance(child.data, list):
            self._refuse(path, "what is appended with '+' must be a list", child)
        elif found is None:
            merged[key] = child
        elif isinstance(found.data, list):
            merged[key] = replace(child, data=[*found.data, *child.data], lost=found)
        else:
            self._refuse(path, f"'+' appends to a list, and at {found.where.origin()} is none", child)

    def _refuse(self, path: tuple[Key, ...], message: str, node: Node) -> None:
        self.problems.append(ConfigProblem(join_path(path), message, node.key.origin()))


def _in_place_of(lost: Node, node: Node) -> Node:
    return Node(node.data, node.base, node.mark, node.raw, node.key_mark, node.textual, lost)


def _existing(data: dict[Key, Node], key: Key) -> Key:
    if key in data:
        return key
    folded = _fold(key)
    return next((known for known in data if _fold(known) == folded), key)


def _fold(key: Key) -> str:
    return str(key).lower().replace("-", "_")
