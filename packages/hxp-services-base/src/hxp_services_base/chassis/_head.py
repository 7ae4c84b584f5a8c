"""The head of a request: what makes it acceptable before anybody looks at its path (RFC 9112)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import httptools

from ._refusal import (
    BAD_HOST,
    BAD_TARGET,
    MALFORMED,
    NO_TUNNEL,
    OLD_FRAMING,
    UNKNOWN_CODING,
    UNKNOWN_VERSION,
    Refusal,
)

if TYPE_CHECKING:
    from ._asgi import Headers

# RFC 3986: a registered name or an IPv4 address, or an IP literal in brackets; then perhaps a port.
_NAME = rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){0,255}"
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|" + _NAME + rb")(?::[0-9]{0,5})?")


TELLING = frozenset({b"expect", b"host", b"transfer-encoding"})
"""Names of the headers that are judged."""


class Target(NamedTuple):
    """A request target in its parts."""

    path: bytes
    query: bytes
    authority: bytes | None = None


def is_host(value: bytes) -> bool:
    """Return whether `value` is a valid Host header."""
    return _HOST.fullmatch(value) is not None


def read_target(target: bytes, method: str) -> Target | None:
    """Take a target apart; `None` where it is none.

    The origin form is what clients send, the absolute form what proxies are sent and what servers must accept, the
    asterisk form belongs to OPTIONS (RFC 9112, section 3.2).
    """
    if b"#" in target:
        target = target.partition(b"#")[0]
    if target[:1] == b"/":
        path, _, query = target.partition(b"?")
        return Target(path, query)
    if target == b"*":
        return Target(b"*", b"") if method == "OPTIONS" else None
    try:
        parsed = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        return None
    if (parsed.schema or b"").lower() not in {b"http", b"https"} or parsed.userinfo is not None or not parsed.host:
        return None
    host = b"[%s]" % parsed.host if b":" in parsed.host else parsed.host
    authority = host if parsed.port is None else b"%s:%d" % (host, parsed.port)
    return Target(parsed.path or b"/", parsed.query or b"", authority)


def judge(headers: Headers, *, version: str, method: str) -> Refusal | None:
    """Return why a head is refused whatever its target is, or `None`.

    Args:
        headers: Those of the names in `TELLING`.
        version: The version of HTTP, such as `"1.1"`.
        method: The method.
    """
    if version not in {"1.1", "1.0"} or method == "CONNECT":
        return NO_TUNNEL if method == "CONNECT" else UNKNOWN_VERSION
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not is_host(value):
                return BAD_HOST
        elif name == b"transfer-encoding" and (refusal := _judge_coding(value, version)) is not None:
            return refusal
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return BAD_HOST
    return None


def _judge_coding(value: bytes, version: str) -> Refusal | None:
    codings = [coding.strip().lower() for coding in value.split(b",")]
    if version == "1.0":
        return OLD_FRAMING
    if codings[-1] != b"chunked":  # nobody knows where such a body ends
        return MALFORMED
    return UNKNOWN_CODING if len(codings) > 1 else None


def expects_continue(headers: Headers) -> bool:
    """Return whether a client waits for `100 Continue` before it sends its body."""
    return len(headers) > 1 and any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)


def refusal_of(target: Target | None) -> Refusal | None:
    """Return why a target is refused, or `None`."""
    if target is None or (target.authority is not None and not is_host(target.authority)):
        return BAD_TARGET
    return None
