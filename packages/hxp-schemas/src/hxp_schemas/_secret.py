"""A value that does not get out by accident: not printed, not serialised, not pickled, not echoed by an error."""

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ._identity import new_id

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

MASK = "**********"


class Secret:
    """A text that only `reveal()` shows.

    `repr`, `str`, `format`, JSON and validation errors show a mask; pickling and copying by pickle are refused. Two
    secrets are compared in constant time.

    Args:
        value: The text.

    Example:
        >>> password = Secret("hunter2")
        >>> f"{password} {password!r}"
        "********** Secret('**********')"
        >>> password.reveal()
        'hunter2'
    """

    __slots__ = ("_value",)
    longest: ClassVar[int] = 4096
    """Characters that a secret may have when it is validated."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # noqa: PLC0415 - with hashlib it costs a tenth of pydantic, and many secrets are never compared

        return hmac.compare_digest(
            self._value.encode("utf-8", "surrogatepass"), other._value.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._value))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is not pickled; hand a reference to the secret on instead")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @classmethod
    def _accept(cls, value: Self) -> Self:
        """Refuse what cannot be such a secret; the message must not quote it."""
        if not 0 < len(value.reveal()) <= cls.longest:
            raise PydanticCustomError(
                "secret_length", "the secret must have 1 to {longest} characters", {"longest": cls.longest}
            )
        return value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: "GetCoreSchemaHandler") -> CoreSchema:
        # The value is wrapped before anything can fail, because an error quotes the input that it is about.
        wrap = core_schema.no_info_plain_validator_function(cls._wrap)
        accept = core_schema.no_info_plain_validator_function(cls._checked)
        return core_schema.chain_schema(
            [wrap, accept],
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: "GetJsonSchemaHandler") -> "JsonSchemaValue":
        return {"type": "string", "format": "password", "writeOnly": True, "minLength": 1, "maxLength": cls.longest}

    @classmethod
    def _wrap(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        return _Unread(value.reveal() if isinstance(value, Secret) else value)

    @classmethod
    def _checked(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value.held, str):
            raise PydanticCustomError("secret_type", "the secret must be a string")
        return cls._accept(cls(value.held))


class _Unread:
    """What came in, of whatever type, until it is known to be a secret; shows nothing of it."""

    __slots__ = ("held",)

    def __init__(self, held: object) -> None:
        self.held = held

    def __repr__(self) -> str:
        return MASK


class ApiKey(Secret):
    """An API key: `hxp_<ULID>_<secret>`, of which the ULID is an identity that may be seen and the secret has 256 bits.

    Example:
        >>> key = ApiKey.generate()
        >>> len(key.reveal()), key.reveal().startswith("hxp_"), str(key)
        (74, True, '**********')
    """

    __slots__ = ()
    longest: ClassVar[int] = 256

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the system's randomness."""
        import secrets  # noqa: PLC0415 - as above

        return cls(f"{new_id('hxp')}_{secrets.token_urlsafe(32)}")

    def digest(self, pepper: bytes) -> str:
        """Return what is stored instead of the key.

        Args:
            pepper: The deployment's own secret, so that digests are worthless elsewhere.

        Returns:
            HMAC-SHA-256 in lower-case hex.
        """
        import hmac  # noqa: PLC0415 - as above

        return hmac.new(pepper, self._value.encode(), "sha256").hexdigest()

    @classmethod
    def _accept(cls, value: Self) -> Self:
        text = value.reveal()
        if not (8 <= len(text) <= cls.longest and text.isascii() and text.isprintable() and " " not in text):
            raise PydanticCustomError(
                "api_key",
                "an API key has 8 to {longest} printable ASCII characters and no space",
                {"longest": cls.longest},
            )
        return value
