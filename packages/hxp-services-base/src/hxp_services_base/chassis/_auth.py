"""Who may speak to a service that is not a front door: the services of its own stack."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from ._errors import ServiceError
from ._exchange import SCOPE_KEY

if TYPE_CHECKING:
    from ._asgi import ASGIApp, Receive, Scope, Send

TENANT_HEADER = b"x-hxp-tenant"
"""Whom a request is for: opaque, 1 to 64 characters of `[A-Za-z0-9_-]`; from services of the own stack only."""


def bearer_token(scope: Scope) -> bytes | None:
    """The bearer token of a request; `None` when it is absent, malformed, or given twice (A1, A4)."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(b" ")
    token = token.strip()
    return token if scheme.lower() == b"bearer" and token else None


def unauthorised() -> ServiceError:
    """The one answer to every missing, malformed, unknown or revoked credential."""
    return ServiceError.of(
        401,
        "invalid_api_key",
        "send a valid API key as 'Authorization: Bearer KEY'; `hxp keys create NAME` makes one",
        type="authentication_error",
    )


class StackAuth:
    """Lets only callers in that show the stack's token.

    Args:
        app: The app behind the check.
        token: The stack's token; compared in constant time, before the body is read.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        presented = bearer_token(scope)
        if presented is None or not hmac.compare_digest(presented, self._token):
            raise unauthorised()
        if scope["method"] in {"GET", "HEAD"} and (exchange := scope.get(SCOPE_KEY)) is not None:
            exchange.is_routine = True
        await self._app(scope, receive, send)
