"""The model that everything on the OpenAI wire derives from: nothing is coerced, nothing is lost."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic import ConfigDict

from ._open import UNSET, Unset


class Written:
    """Marks a field without a value of its own that is written all the same, as `null`: the protocol requires it."""

    __slots__ = ()


class WireModel(pydantic.BaseModel):
    """A part of a wire format: strict types, unknown fields kept, absent and null told apart.

    What was read is written as it came: the same fields, declared ones in declared order, unknown ones in order of
    arrival. What is made in Python is written with its constants (such as `object`) and the fields that the protocol
    requires even when they are null.

    Example:
        >>> class Point(WireModel):
        ...     x: int
        ...     y: int | None = None
        >>> Point.model_validate_json('{"z": 3, "x": 1}').to_json()
        b'{"x":1,"z":3}'
        >>> Point.model_validate_json('{"x": 1}').said("y")
        UNSET
    """

    model_config = ConfigDict(
        defer_build=True,
        extra="allow",
        strict=True,
        protected_namespaces=(),
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    if not TYPE_CHECKING:  # pragma: no branch

        def __init__(self, /, **data: Any) -> None:
            super().__init__(**data)
            self.__pydantic_fields_set__.update(_written(type(self)))

        # Not run for what is read: pydantic-core takes the short way unless `__init__` is custom.
        __init__.__pydantic_base_init__ = True

    def said(self, name: str) -> Any | Unset:
        """Return a field's value, `None` where `null` came, `UNSET` where nothing came.

        Args:
            name: A declared or an unknown field, in Python or on the wire (`schema_` or `schema`).
        """
        name = _in_python(type(self)).get(name, name)
        extra = self.__pydantic_extra__ or {}
        if name in extra:
            return extra[name]
        return getattr(self, name) if name in self.__pydantic_fields_set__ else UNSET

    def to_json(self) -> bytes:
        """Return the JSON: what was read as it came, what was made as the protocol wants it."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)

    def to_dict(self) -> dict[str, Any]:
        """Return what `to_json` writes, as JSON's own types."""
        return self.model_dump(mode="json", exclude_unset=True)


class UnknownVariant(WireModel):
    """A member of a union that this package does not know, or one that is not what its type says; kept whole."""

    type: str | None = None


@cache
def _in_python(model: type[WireModel]) -> Mapping[str, str]:
    """The names of fields by those on the wire, where they differ."""
    return {field.alias: name for name, field in model.model_fields.items() if field.alias}


@cache
def _written(model: type[WireModel]) -> frozenset[str]:
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if not field.is_required()
        and (field.default is not None or any(isinstance(mark, Written) for mark in field.metadata))
    )
