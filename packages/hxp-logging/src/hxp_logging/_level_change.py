"""The operation behind `GET` and `PUT /loggers`: what may be asked for, and what is wrong with what was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ._level import level_number

_MAX_TTL = 7 * 86400.0
_MAX_NAME = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange:
    """A level to set, or to take back.

    Attributes:
        level: Its name; None takes back what was set for the same logger, request and tenant.
        logger: For this logger and its children; for all, unless given.
        request_id: For the lines of this request only.
        tenant: For lines with this `tenant` bound to their context only.
        ttl: Seconds after which it falls back by itself; a request's or tenant's level must have one.

    Example:
        >>> LevelChange.parse({"level": "debug", "logger": "hxp.gateway", "ttl": 300})
        LevelChange(level='DEBUG', logger='hxp.gateway', request_id=None, tenant=None, ttl=300.0)
    """

    level: str | None
    logger: str | None = None
    request_id: str | None = None
    tenant: str | None = None
    ttl: float | None = None

    @classmethod
    def parse(cls, body: Any) -> "LevelChange":
        """Read a change from the body of a request, such as `{"level": "DEBUG", "logger": "hxp", "ttl": 300}`.

        Raises:
            ValueError: Something is wrong with it; the message says what, and what to do.
        """
        if not isinstance(body, Mapping):
            raise ValueError(  # noqa: TRY004 - it came over a wire: its value is wrong, not our use of a type
                'a level is changed with an object such as {"level": "DEBUG", "logger": "hxp", "ttl": 300}'
            )
        known = [field.name for field in fields(cls)]
        if unknown := sorted(str(name) for name in body if name not in known):
            raise ValueError(f"unknown field {unknown[0][:_MAX_NAME]!r}: use {', '.join(known)}")
        if "level" not in body:
            raise ValueError("'level' is missing: name a level, or null to take one back")
        level = body["level"]
        if level is not None:
            if not isinstance(level, str):
                raise ValueError("'level' is the name of a level, or null")
            level_number(level)
        names = {name: _name(body, name) for name in ("logger", "request_id", "tenant")}
        change = cls(level=level and level.upper(), ttl=_ttl(body), **names)
        if change.level and change.ttl is None and (change.request_id or change.tenant):
            raise ValueError("'ttl' is missing: a level for a request or a tenant holds for a number of seconds")
        return change


def _name(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= _MAX_NAME):
        raise ValueError(f"{name!r} is a text of 1 to {_MAX_NAME} characters, or null")
    return value


def _ttl(body: Mapping[str, Any]) -> float | None:
    ttl = body.get("ttl")
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl <= _MAX_TTL:
        raise ValueError(f"'ttl' is a number of seconds, more than 0 and at most {_MAX_TTL:.0f}")
    return float(ttl)
