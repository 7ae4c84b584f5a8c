"""What a reload may do to a field."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel


class Reload(StrEnum):
    """A mark in a field's type: `port: Annotated[int, Reload.RESTART]`; fields without one are `LIVE`.

    It holds for all that is below the field, unless something there is marked itself.
    """

    LIVE = "live"
    RESTART = "restart"
    IMMUTABLE = "immutable"


def mark_at(model: Any, path: tuple[str, ...]) -> Reload:
    """Return the mark that holds at a path; the innermost one counts."""
    shapes, mark = [model], Reload.LIVE
    for segment in path:
        below: list[Any] = []
        for shape in shapes:
            for found, metadata in _step(shape, segment):
                mark = next((one for one in metadata if isinstance(one, Reload)), mark)
                below += _unwrapped(found)
        shapes = below
    return mark


def _step(shape: Any, segment: str) -> list[tuple[Any, tuple[Any, ...]]]:
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        for name, info in shape.model_fields.items():
            if segment in {name, info.alias, info.validation_alias}:
                return [(info.annotation, tuple(info.metadata))]
        return []
    if is_dataclass(shape) and isinstance(shape, type):
        hints = get_type_hints(shape, include_extras=True)
        return [_split(hints[one.name]) for one in fields(shape) if one.name == segment]
    arguments = [one for one in get_args(shape) if one is not ...]
    return [_split(arguments[-1])] if arguments else []


def _split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        return kind, tuple(metadata)
    return annotation, ()


def _unwrapped(annotation: Any) -> list[Any]:
    """The alternatives of a union; a list or mapping is one."""
    kind, _ = _split(annotation)
    if get_origin(kind) not in {Union, UnionType}:
        return [kind]
    return [one for part in get_args(kind) for one in _unwrapped(part)]
