"""Reading a request's body: bounded in size and in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._asgi import header
from ._errors import ServiceError

if TYPE_CHECKING:
    from ._asgi import Receive, Scope

_MAX_NODES = 200_000
"""Lists and objects that a body may have: parsers stop the event loop for seconds over a million of them."""
_LARGE = 64 * 1024
MAX_BODY = 4 * 1024 * 1024
"""Bytes that a request's body may have unless a service says otherwise."""
BODY_TIMEOUT = 30.0
"""Seconds in which a body must have arrived."""


class ClientLeftError(Exception):
    """The client closed the connection before its request was whole."""


def require_json(scope: Scope) -> None:
    """Refuse forms and XML.

    Raises:
        ServiceError: 415, unless the content type is JSON or absent.
    """
    content_type = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
    if content_type and content_type != "application/json" and not content_type.endswith("+json"):
        raise ServiceError.of(
            415, "unsupported_media_type", f"send the body as application/json, not {content_type[:80]!r}"
        )


async def read_body(scope: Scope, receive: Receive, *, limit: int = MAX_BODY, seconds: float = BODY_TIMEOUT) -> bytes:
    """The whole body.

    Args:
        scope: The request; its `Content-Length` is checked before a byte is read.
        receive: The request's messages.
        limit: Bytes at the most.
        seconds: Time at the most.

    Raises:
        ServiceError: 413 when it is too long, 408 when it is too slow, 400 when it has too many lists and objects.
        ClientLeftError: When the client leaves before the end.
    """
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            body = await _collect(receive, limit)
    except TimeoutError:
        raise ServiceError.of(
            408,
            "request_timeout",
            f"the body did not arrive within {seconds:g} s",
            headers={"Connection": "close"},
        ) from None
    if len(body) > _LARGE and body.count(b"[") + body.count(b"{") > _MAX_NODES:
        message = f"the body has more than {_MAX_NODES} lists and objects; send fewer in one request"
        raise ServiceError.of(400, "request_too_complex", message)
    return body


async def _collect(receive: Receive, limit: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and message["type"] == "http.request":
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        body = message.get("body", b"")
        size += len(body)
        if size > limit:
            raise _too_large(limit)
        parts.append(body)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def _too_large(limit: int) -> ServiceError:
    return ServiceError.of(
        413,
        "request_too_large",
        f"a request may have {limit} bytes at the most",
        headers={"Connection": "close"},
    )
