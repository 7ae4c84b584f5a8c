"""What a tolerant reader needs: enums that survive a new value, and a word for "it was not there"."""

import enum
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_args

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

L = TypeVar("L")


class Unset(enum.Enum):
    """The type of `UNSET`; an enum of one, so that type checkers narrow `is UNSET`."""

    UNSET = "unset"

    def __bool__(self) -> bool:
        """Be false, so that `value or default` works."""
        return False

    def __repr__(self) -> str:
        """Return the name under which it is imported."""
        return "UNSET"


UNSET: Final = Unset.UNSET
"""A field that did not come; `None` is one that came as `null`."""


class _Open:
    """Marks a `Literal` whose unknown values survive; validated as text, documented as the enum that it is."""

    __slots__ = ()

    def __get_pydantic_core_schema__(self, source: Any, _handler: "GetCoreSchemaHandler") -> core_schema.CoreSchema:
        """Check for text only: a value that is newer than this package is a value."""
        known = known_values(source)
        return core_schema.str_schema(strict=True, metadata={"hxp_known": known})

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, _handler: "GetJsonSchemaHandler"
    ) -> "JsonSchemaValue":
        """Tell readers of the schema which values are known."""
        known: list[str] = schema.get("metadata", {})["hxp_known"]
        return {"anyOf": [{"enum": known, "type": "string"}, {"type": "string"}]}


_OPEN = _Open()
if TYPE_CHECKING:
    OpenEnum = Annotated[L | str, _OPEN]
else:

    class OpenEnum:  # a generic alias would take three times as long to give the same
        """`OpenEnum[Literal["stop", "length"]]`: known values for the reader of the code, any text on the wire.

        Example:
            >>> import pydantic
            >>> from typing import Literal
            >>> pydantic.TypeAdapter(OpenEnum[Literal["stop", "length"]]).validate_json('"paused"')
            'paused'
        """

        def __class_getitem__(cls, known: Any) -> Any:
            return Annotated[known | str, _OPEN]


def known_values(annotation: Any) -> list[str]:
    """Collect the texts that the literals within an annotation name, in order.

    Example:
        >>> from typing import Literal
        >>> known_values(Literal["a", "b"] | None)
        ['a', 'b']
    """
    if isinstance(annotation, str):
        return [annotation]
    return list(dict.fromkeys(value for part in get_args(annotation) for value in known_values(part)))
