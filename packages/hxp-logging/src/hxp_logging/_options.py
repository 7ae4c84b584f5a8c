"""What a `Logging` is told when it is made."""

from dataclasses import dataclass
from typing import Literal

REDACT_KEYS = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "cookie",
        "credentials",
        "passwd",
        "password",
        "pepper",
        "private_key",
        "proxy_authorization",
        "refresh_token",
        "secret",
        "session_token",
        "set_cookie",
        "token",
        "x_api_key",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingOptions:
    """How to log.

    Attributes:
        level: The lowest level that is written.
        format: `json` for machines, `console` for people; `auto` is `console` on a terminal.
        service: `service.name` on every line, and so on for `version`, `instance` and `environment`.
        file: A file to append to, instead of the stream.
        redact_keys: Fields whose value is never written, whatever their case, with `-` and `_` alike.
    """

    level: str = "INFO"
    format: Literal["auto", "console", "json"] = "auto"
    service: str | None = None
    version: str | None = None
    instance: str | None = None
    environment: str | None = None
    file: str | None = None
    redact_keys: frozenset[str] = REDACT_KEYS
