"""Calls to the ledger, and how they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hxp_schemas import ErrorInfoError

if TYPE_CHECKING:
    from hxp_services_base import UpstreamPool

_REFUSALS = frozenset({400, 413, 422})
"""The statuses that say that what was sent is wrong, and not the ledger's state."""


class LedgerError(RuntimeError):
    """The ledger did not do what it was asked to."""


class RefusedByLedgerError(LedgerError):
    """The ledger refuses what it was sent; sending it again would change nothing."""


async def call_ledger(ledger: UpstreamPool, method: str, path: str, body: bytes = b"") -> bytes:
    """Send one request to the ledger and return the body of its answer.

    Raises:
        RefusedByLedgerError: If it says that what it was sent is wrong.
        LedgerError: If it cannot be reached, or answers with anything but 200.
    """
    headers = {"Content-Type": "application/json"} if body else None
    try:
        async with ledger.request(method, path, body=body, headers=headers) as response:
            answer = await response.read()
    except ErrorInfoError as error:
        raise LedgerError(str(error)) from error
    if response.status == 200:
        return answer
    kind = RefusedByLedgerError if response.status in _REFUSALS else LedgerError
    raise kind(f"the ledger answered {response.status}: {answer[:200]!r}")
