"""A validated configuration that knows where each value came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, SecretBytes, SecretStr

from ._origin import Origin
from ._path import join_path, split_path

if TYPE_CHECKING:
    from ._node import Node

T = TypeVar("T")

_SECRET = re.compile(r"(?:^|[_-])(?:key|secret|token|password|passwd|pepper|credentials?)$", re.IGNORECASE)
_MASK = "**********"


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """A configuration as it was at one moment.

    Attributes:
        value: The validated model.
    """

    value: T
    _root: Node = field(repr=False)

    def origin(self, path: str) -> Origin:
        """Return where the value at a dotted path was written.

        A value that no source gave has the source `default`.

        Raises:
            KeyError: There is nothing at this path.
        """
        node = self._node(path)
        if node is not None:
            return node.origin()
        if _value_at(self.value, split_path(path)) is _NOTHING:
            raise KeyError(path)
        return Origin("default")

    def origins(self) -> Mapping[str, Origin]:
        """Return where every leaf was written, by dotted path."""
        return {join_path(path): node.origin() for path, node in self._root.leaves()}

    def explain(self, path: str) -> str:
        """Tell in words what a value is, where it was written and what it replaced; secrets are masked.

        Raises:
            KeyError: There is nothing at this path.
        """
        origin = self.origin(path)
        value = _value_at(self.value, split_path(path))
        shown = _MASK if _is_secret(path, value) else repr(self._plain(path) if value is _NOTHING else value)
        lines = [f"{path} = {shown}", f"  from {origin}"]
        lines += [f"  instead of {_shown(path, value, lost)} from {lost}" for lost in origin.overridden]
        return "\n".join(lines)

    def _node(self, path: str) -> Node | None:
        node: Node | None = self._root
        for segment in split_path(path):
            node = node.child(segment) if node else None
        return node

    def _plain(self, path: str) -> Any:
        node = self._node(path)
        return node.plain() if node else None


_NOTHING = object()


def _is_secret(path: str, value: object) -> bool:
    segments = split_path(path)
    return isinstance(value, SecretStr | SecretBytes) or any(_SECRET.search(segment) for segment in segments)


def _shown(path: str, value: object, lost: Origin) -> str:
    if lost.raw is None:
        return "a section"
    return _MASK if _is_secret(path, value) else repr(lost.raw)


def _value_at(value: object, segments: Sequence[str]) -> object:
    for segment in segments:
        value = _below(value, segment)
    return value


def _below(value: object, segment: str) -> object:
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            if segment in {name, info.alias, info.validation_alias}:
                return getattr(value, name)
        return (value.model_extra or {}).get(segment, _NOTHING)
    if isinstance(value, Mapping):
        return next((child for key, child in value.items() if str(key) == segment), _NOTHING)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and segment.isdecimal():
        return value[int(segment)] if int(segment) < len(value) else _NOTHING
    return _NOTHING
