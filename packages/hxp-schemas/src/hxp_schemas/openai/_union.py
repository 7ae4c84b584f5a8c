"""Unions of models, told apart by a tag; an error about one quotes nothing."""

from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import Field

from hxp_schemas._open import known_values

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


class Tagged:
    """Marks a union of models that a field tells apart; like `Field(discriminator=...)` but for its error.

    Pydantic's own error quotes the tag that came, which may be anything that somebody put there by mistake;
    this one names the field and the tags that are known.

    Args:
        tag: The field, `type` or `role`.
    """

    __slots__ = ("_tag",)

    def __init__(self, tag: str) -> None:
        self._tag = tag

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        """Build the tagged union, with an error of our own for a tag that is unknown or not there."""
        tags = [tag for model in get_args(source) for tag in known_values(model.model_fields[self._tag].annotation)]
        return {
            **handler(Annotated[source, Field(discriminator=self._tag)]),
            "custom_error_type": "union_tag",
            "custom_error_message": "'{discriminator}' of the input should be one of {expected_tags}",
            "custom_error_context": {"discriminator": self._tag, "expected_tags": ", ".join(map(repr, tags))},
        }
