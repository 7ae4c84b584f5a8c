"""Where a secret is, without the secret."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ._secret import Secret

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

_FORMS = {
    "env": (r"[A-Za-z_][A-Za-z0-9_]{0,127}", "env:NAME"),
    "file": (r"/[^\x00-\x1f\x7f]{1,1023}", "file:/absolute/path"),
    "vault": (r"[A-Za-z0-9._-]{1,128}(/[A-Za-z0-9._-]{1,128}){0,15}#[A-Za-z0-9._-]{1,128}", "vault:mount/path#field"),
    "k8s": (r"([a-z0-9.-]{1,63}/)?[a-z0-9.-]{1,253}#[A-Za-z0-9._-]{1,253}", "k8s:namespace/secret#key"),
}
_LONGEST = 2400
_ALL_FORMS = ", ".join(form for _, form in _FORMS.values())


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Says where a secret is to be found; in files and on the wire it is one text.

    A text that is no reference is refused without being quoted, since it may be the secret itself.

    Attributes:
        scheme: Who keeps the secret: `env`, `file`, `vault` or `k8s`.
        location: Where there.

    Example:
        >>> reference = SecretReference.parse("env:OPENAI_API_KEY")
        >>> reference.scheme, str(reference)
        ('env', 'env:OPENAI_API_KEY')
    """

    scheme: str
    location: str

    @classmethod
    def parse(cls, text: str) -> "SecretReference":
        """Read a reference.

        Raises:
            ValueError: The text is none; the message does not quote it.
        """
        scheme, colon, location = text.partition(":")
        if not colon or scheme not in _FORMS:
            raise ValueError(f"a secret is given by reference: {_ALL_FORMS}")
        pattern, form = _FORMS[scheme]
        if not re.fullmatch(pattern, location, re.ASCII):
            raise ValueError(f"a reference of this kind reads {form}")
        return cls(scheme, location)

    @staticmethod
    def is_reference(text: object) -> bool:
        """Tell whether a value is meant as a reference: a text that begins with one of the schemes and a colon."""
        return isinstance(text, str) and text.partition(":")[0] in _FORMS and ":" in text

    def __str__(self) -> str:
        return f"{self.scheme}:{self.location}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: "GetCoreSchemaHandler") -> CoreSchema:
        # Wrapped before anything can fail: an error quotes its input, and that may be a secret in the wrong place.
        return core_schema.chain_schema(
            [
                core_schema.no_info_plain_validator_function(_hidden),
                core_schema.no_info_plain_validator_function(_validated),
            ],
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: "GetJsonSchemaHandler") -> "JsonSchemaValue":
        pattern = "|".join(f"{scheme}:{form}" for scheme, (form, _) in _FORMS.items())
        return {
            "type": "string",
            "maxLength": _LONGEST,
            "pattern": f"^({pattern})$",
            "examples": ["env:OPENAI_API_KEY"],
        }


def _hidden(value: Any) -> Any:
    return Secret(value) if isinstance(value, str) else value


def _validated(value: Any) -> SecretReference:
    if isinstance(value, SecretReference):
        return value
    if not isinstance(value, Secret):
        raise PydanticCustomError("secret_reference", "a secret is given by reference: {forms}", {"forms": _ALL_FORMS})
    try:
        return SecretReference.parse(value.reveal())
    except ValueError as error:
        raise PydanticCustomError("secret_reference", "{problem}", {"problem": str(error)}) from None
