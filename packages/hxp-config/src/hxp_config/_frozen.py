"""What many readers share and none may change."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, NoReturn, get_args, get_type_hints

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_frozen(model: Any) -> None:
    """Refuse a type in which something could be assigned to, however deep.

    Raises:
        TypeError: With the place and the name of the model that is not frozen.
    """
    for place, found in _models(model, getattr(model, "__name__", str(model)), set()):
        if not _is_frozen(found):
            where = "" if found is model else f" at {place}"
            raise TypeError(
                f"{found.__name__}{where} is not frozen, so that a reader could change what others read; freeze it"
            )


def freeze(value: Any) -> Any:
    """Have the lists, mappings and sets within a value refuse every change.

    They stay lists, mappings and sets to whoever reads them; a copy is an ordinary one, and its owner's to change.

    Args:
        value: A validated configuration; a model is changed in place, since nobody else has it yet.
    """
    kind = type(value)
    if isinstance(value, BaseModel):
        for place in (vars(value), value.__pydantic_extra__ or {}):
            place.update({name: freeze(held) for name, held in place.items()})
    elif is_dataclass(kind):
        for field in fields(value):
            object.__setattr__(value, field.name, freeze(getattr(value, field.name)))
    elif kind is list:
        return FrozenList(map(freeze, value))
    elif kind is dict:
        return FrozenDict((key, freeze(held)) for key, held in value.items())
    elif kind is set:
        return FrozenSet(map(freeze, value))
    elif kind is tuple:
        return tuple(map(freeze, value))
    return value


def _refuse(*_: object, **__: object) -> NoReturn:
    raise TypeError("a configuration in use cannot be changed; change a copy of this")


class FrozenList(list[Any]):
    """A list that stays as it is."""

    append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __delitem__ = __iadd__ = __imul__ = __setitem__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


class FrozenDict(dict[Any, Any]):
    """A mapping that stays as it is."""

    clear = pop = popitem = setdefault = update = _refuse
    __delitem__ = __ior__ = __setitem__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class FrozenSet(set[Any]):
    """A set that stays as it is."""

    add = clear = difference_update = discard = intersection_update = pop = remove = _refuse
    symmetric_difference_update = update = __iand__ = __ior__ = __isub__ = __ixor__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return set, (set(self),)


def _is_frozen(model: Any) -> bool:
    if issubclass(model, BaseModel):
        return bool(model.model_config.get("frozen"))
    return bool(vars(model)["__dataclass_params__"].frozen)


def _models(annotation: Any, place: str, seen: set[Any]) -> Iterator[tuple[str, Any]]:
    """Find the models and dataclasses that a type is made of, with the fields that lead to them."""
    annotation = getattr(annotation, "__value__", annotation)  # a `type` alias
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        if annotation in seen:
            return
        seen.add(annotation)
        yield place, annotation
        if issubclass(annotation, BaseModel):
            hints = {name: field.annotation for name, field in annotation.model_fields.items()}
        else:
            hints = _hints(annotation)
        for name, hint in hints.items():
            yield from _models(hint, f"{place}.{name}", seen)
        return
    for part in get_args(annotation):
        yield from _models(part, place, seen)


def _hints(model: Any) -> dict[str, Any]:
    try:
        return get_type_hints(model)
    except NameError:  # of a type that is known to its function alone
        return {}
