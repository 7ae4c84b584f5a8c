"""Who calls, and what the caller may do."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import pydantic
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from ._error import ErrorInfo, ErrorInfoError

_SCOPE = r"(?a)(\*|[a-z][a-z0-9-]{0,31}):(\*|[a-z][a-z0-9-]{0,31})(:[A-Za-z0-9._/-]{1,128})?"


def _is_scope(value: str) -> str:
    if not re.fullmatch(_SCOPE, value):
        raise ValueError("a scope reads 'resource:action' or 'resource:action:name', such as 'models:read'; '*' is any")
    return value


Scope = Annotated[str, Field(max_length=256), AfterValidator(_is_scope)]
"""What a key or token opens: `models:read`, `chat:*`, `models:read:hxp-tiny`."""


class Permission(pydantic.BaseModel):
    """One thing that somebody wants to do.

    Attributes:
        resource: `models`, `keys`, `usage`.
        action: `read`, `create`.
        name: The one resource that is meant; None for the kind as a whole.

    Example:
        >>> Permission(resource="models", action="read", name="hxp-tiny").granted_by("models:*")
        True
        >>> Permission(resource="models", action="read").granted_by("models:read:hxp-tiny")
        False
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    resource: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", examples=["models"])
    action: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", examples=["read"])
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._/-]{1,128}$")

    def granted_by(self, scope: str) -> bool:
        """Tell whether a scope opens this; a malformed scope opens nothing."""
        if not re.fullmatch(_SCOPE, scope):
            return False
        resource, action, *name = scope.split(":", 2)
        return resource in {"*", self.resource} and action in {"*", self.action} and (not name or name == [self.name])

    def __str__(self) -> str:
        return ":".join(part for part in (self.resource, self.action, self.name) if part)


class Principal(pydantic.BaseModel):
    """Who calls, as the door found out.

    Attributes:
        id: Of the key, the user or the service.
        tenant: The customer that it belongs to.
        scopes: What it may do.

    Example:
        >>> principal = Principal(id="key_1", kind="key", scopes=["models:read"])
        >>> principal.allows(Permission(resource="keys", action="create"))
        False
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=128)
    kind: Literal["anonymous", "key", "service", "user"]
    name: str | None = Field(default=None, max_length=256)
    tenant: str | None = Field(default=None, min_length=1, max_length=128)
    scopes: frozenset[Scope] = Field(default=frozenset(), max_length=256)

    def allows(self, permission: Permission) -> bool:
        """Tell whether any of the scopes opens it."""
        return any(permission.granted_by(scope) for scope in self.scopes)

    def require(self, permission: Permission) -> None:
        """Insist on a permission.

        Raises:
            ErrorInfoError: 403 `permission_denied`, naming what is missing.
        """
        if not self.allows(permission):
            message = f"This needs the scope '{permission}'."
            raise ErrorInfoError(ErrorInfo(code="permission_denied", message=message, status=403))


def _split(value: object) -> object:
    return value.split() if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _from_epoch(value: object) -> object:
    """Seconds since 1970 and nothing else (RFC 7519 calls it NumericDate); pydantic would guess milliseconds."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a time in a token is a number of seconds since 1970")  # noqa: TRY004 - pydantic tells ValueErrors
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ValueError("the time is out of range") from error


NumericDate = Annotated[
    datetime,
    BeforeValidator(_from_epoch),
    PlainSerializer(lambda at: int(at.timestamp()), return_type=int, when_used="json"),
    WithJsonSchema({"type": "integer", "minimum": 0, "examples": [1800000000]}),
]
_Text = Annotated[str, Field(min_length=1, max_length=1024)]


class TokenClaims(pydantic.BaseModel):
    """What a verified token says (RFC 7519); checking the signature is the verifier's work, before this.

    Attributes:
        iss: Who issued it.
        sub: Whom it is about.
        aud: For whom it is meant.
        exp: When it ends; a token without an end is refused.
        nbf: Before when it must not be used.
        scope: What it opens; space-separated on the wire (RFC 8693), a set here.

    Example:
        >>> claims = TokenClaims.model_validate({"iss": "hxp", "sub": "user_1", "aud": "gateway", "exp": 1800000000})
        >>> claims.check(now=datetime(2026, 11, 23, tzinfo=UTC), audience="gateway", issuer="hxp")
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow", hide_input_in_errors=True)

    iss: _Text
    sub: _Text
    aud: Annotated[list[_Text], BeforeValidator(_listed)] = Field(min_length=1, max_length=32)
    exp: NumericDate
    nbf: NumericDate | None = None
    iat: NumericDate | None = None
    jti: _Text | None = None
    tenant: str | None = Field(default=None, min_length=1, max_length=128)
    scope: Annotated[
        frozenset[Scope],
        BeforeValidator(_split),
        PlainSerializer(lambda scopes: " ".join(sorted(scopes)), when_used="json"),
    ] = Field(default=frozenset(), max_length=256)

    def check(self, *, now: datetime, audience: str, issuer: str, leeway: float = 30.0) -> None:
        """Refuse a token that is not meant for us, or not now.

        Args:
            now: An aware time.
            audience: Who we are.
            issuer: Whom we trust.
            leeway: Seconds by which clocks may differ.

        Raises:
            ErrorInfoError: 401; one and the same answer whatever is wrong, the reason is in the metadata's `reason`
                for the log.
        """
        slack = timedelta(seconds=leeway)
        reasons = {
            "expired": self.exp + slack <= now,
            "not_yet_valid": self.nbf is not None and self.nbf - slack > now,
            "wrong_audience": audience not in self.aud,
            "wrong_issuer": issuer != self.iss,
        }
        if wrong := [reason for reason, applies in reasons.items() if applies]:
            message = "The token is not valid here."
            info = ErrorInfo(code="invalid_token", message=message, status=401, metadata={"reason": wrong[0]})
            raise ErrorInfoError(info)

    def principal(self) -> Principal:
        """Return who the token speaks for."""
        return Principal(id=self.sub, kind="user", tenant=self.tenant, scopes=self.scope)
