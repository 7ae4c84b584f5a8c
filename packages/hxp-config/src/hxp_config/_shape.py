"""What a model would have accepted: the fields at a location, for suggestions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import is_dataclass
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import AliasChoices, AliasPath, BaseModel


def models_at(model: Any, location: Sequence[object]) -> list[type[Any]]:
    """Return the models that a pydantic location can stand in, seen through unions, lists and mappings.

    A dataclass and a TypedDict are models too.
    """
    current = _unwrap(model)
    for segment in location:
        below = [child for shape in current for child in _step(shape, segment)]
        # A segment that leads nowhere is the label of a union branch, not a key.
        current = below or current
    return [shape for shape in current if _is_model(shape)]


def suggest(models: Sequence[type[Any]], key: str) -> str | None:
    """Return the field that was probably meant by an unknown key."""
    names = {name: name for model in models for name in _keys(model)}
    folded = {name.lower().replace("-", "_"): name for name in names}
    close = get_close_matches(key.lower().replace("-", "_"), folded, n=1)
    return folded[close[0]] if close else None


def speaks_of_unknown_keys(model: type[Any]) -> bool:
    """Tell whether a model says itself that it takes or ignores keys it does not know."""
    config = model.model_config if issubclass(model, BaseModel) else getattr(model, "__pydantic_config__", {})
    return config.get("extra") in {"allow", "ignore"}


def _is_model(shape: Any) -> bool:
    return isinstance(shape, type) and (
        issubclass(shape, BaseModel) or is_dataclass(shape) or hasattr(shape, "__required_keys__")
    )


def _unwrap(shape: Any) -> list[Any]:
    """Return the alternatives of a type without `Annotated`, unions and type aliases around them."""
    if hasattr(shape, "__value__"):
        return _unwrap(shape.__value__)
    if get_origin(shape) is Annotated:
        return _unwrap(get_args(shape)[0])
    if _is_model(shape) or get_origin(shape) in {None, *_MAPPINGS, *_SEQUENCES}:
        return [shape]
    return [branch for argument in get_args(shape) for branch in _unwrap(argument)]


_MAPPINGS = (dict, Mapping)
_SEQUENCES = (list, tuple, set, frozenset, Sequence, AbstractSet)


def _step(shape: Any, segment: object) -> list[Any]:
    if _is_model(shape):
        return _unwrap(_keys(shape)[str(segment)]) if str(segment) in _keys(shape) else []
    arguments = get_args(shape)
    if get_origin(shape) in _MAPPINGS:
        return _unwrap(arguments[1])
    if get_origin(shape) in _SEQUENCES and isinstance(segment, int):
        return [branch for argument in arguments for branch in _unwrap(argument) if argument is not ...]
    return []


def _keys(model: type[Any]) -> dict[str, Any]:
    """Return what each key of a model holds, by the names that its data may use."""
    if not issubclass(model, BaseModel):
        return get_type_hints(model, include_extras=True)
    keys: dict[str, Any] = {}
    by_name = model.model_config.get("validate_by_name") or model.model_config.get("populate_by_name")
    for name, field in model.model_fields.items():
        aliases = _alias_names(field.validation_alias or field.alias)
        for key in (*aliases, name) if by_name else aliases or (name,):
            keys[key] = field.annotation
    return keys


def _alias_names(alias: str | AliasPath | AliasChoices | None) -> tuple[str, ...]:
    if alias is None:
        return ()
    if isinstance(alias, str):
        return (alias,)
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return tuple(choice if isinstance(choice, str) else str(choice.path[0]) for choice in choices)
