"""A validated configuration that knows where each value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import AliasChoices, AliasPath, BaseModel

from ._origin import Origin
from ._path import join_path, split_path
from ._secrecy import MASK, is_secret, without_url_secrets

if TYPE_CHECKING:
    from ._migration import AppliedRewrite
    from ._node import Node

T = TypeVar("T")
S = TypeVar("S")
NOTHING = object()
"""What stands at a path that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """A configuration as it was at one moment.

    Attributes:
        value: The validated model. Not part of `repr`, since it may hold secrets.
        rewrites: What migrations changed in the files on the way.
    """

    value: T = field(repr=False)
    _root: Node = field(repr=False)
    rewrites: tuple[AppliedRewrite, ...] = field(default=(), repr=False)

    def origin(self, path: str) -> Origin:
        """Return where the value at a dotted path was written.

        A value that no source gave has the source `default`.

        Raises:
            KeyError: There is nothing at this path.
        """
        node = self.node(path)
        if node is not None:
            return node.origin()
        if value_at(self.value, split_path(path)) is NOTHING:
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
        lines = [f"{path} = {self.shown(path)}", f"  from {origin}"]
        hidden = self.is_secret(path)
        for lost in origin.overridden:
            was = "a section" if lost.raw is None else MASK if hidden else without_url_secrets(repr(lost.raw))
            lines.append(f"  instead of {was} from {lost}")
        return "\n".join(lines)

    def section(self, path: str, model: type[S]) -> Snapshot[S]:
        """Hand a part to a component, which then sees nothing else.

        Args:
            path: Where the part stands.
            model: Its type, for the type checker and for a check.

        Raises:
            KeyError: There is nothing at this path.
            TypeError: There is something of another type.
        """
        value = value_at(self.value, split_path(path))
        if value is NOTHING:
            raise KeyError(path)
        if not isinstance(value, model):
            raise TypeError(f"{path!r} holds a {type(value).__name__}, not a {model.__name__}")
        from ._node import Node, Where  # noqa: PLC0415 - only for a section that no source wrote

        return Snapshot(value, self.node(path) or Node({}, Where("default")))

    def node(self, path: str) -> Node | None:
        """Return the node at a path; for the package's own use."""
        node: Node | None = self._root
        for segment in split_path(path):
            node = node.child(segment) if node else None
        return node

    def is_secret(self, path: str) -> bool:
        """Tell whether the value at a path must be masked."""
        return is_secret(path, value_at(self.value, split_path(path)), self.node(path))

    def shown(self, path: str) -> str:
        """Return what may be shown of the value at a path."""
        value = value_at(self.value, split_path(path))
        if value is not None and self.is_secret(path):
            return MASK
        node = self.node(path)
        return without_url_secrets(repr(node.plain() if value is NOTHING and node else value))


def value_at(value: object, segments: Sequence[str]) -> object:
    """Return what stands at a path below a validated value, or `NOTHING`."""
    for segment in segments:
        value = _below(value, segment)
    return value


def paths_of(value: object, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """List the paths of all leaves of a validated value, in the order of its fields."""
    if isinstance(value, BaseModel):
        names = [(_written_name(name, info), getattr(value, name)) for name, info in type(value).model_fields.items()]
        pairs = [*names, *(value.model_extra or {}).items()]
    elif is_dataclass(value) and not isinstance(value, type):
        pairs = [(one.name, getattr(value, one.name)) for one in fields(value)]
    elif isinstance(value, Mapping):
        pairs = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(str(index), child) for index, child in enumerate(value)]
    else:
        return [above]
    return [path for name, child in pairs for path in paths_of(child, (*above, name))] or [above]


def _written_name(name: str, info: Any) -> str:
    alias = info.validation_alias or info.alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    return str(alias.path[0] if isinstance(alias, AliasPath) else alias or name)


def _below(value: object, segment: str) -> object:
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            if segment in {name, info.alias, info.validation_alias, _written_name(name, info)}:
                return getattr(value, name)
        return (value.model_extra or {}).get(segment, NOTHING)
    if is_dataclass(value) and not isinstance(value, type):
        return getattr(value, segment) if any(one.name == segment for one in fields(value)) else NOTHING
    if isinstance(value, Mapping):
        return next((child for key, child in value.items() if str(key) == segment), NOTHING)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and segment.isdecimal():
        return value[int(segment)] if int(segment) < len(value) else NOTHING
    return NOTHING
