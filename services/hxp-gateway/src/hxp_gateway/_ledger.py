"""The gateway's side of the ledger: the keys it checks by, and the usage it ships."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hxp_schemas import ErrorInfoError, KeySnapshot, UsageBatch
from hxp_services_base import Check, KeyVerifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hxp_logging import Logger
    from hxp_services_base import Pepper, UpstreamPool

    from ._journal import Journal

_BATCH = 500


class LedgerError(RuntimeError):
    """The ledger did not do what it was asked to."""


class KeyRing:
    """The keys in force, kept in memory so that no request waits for the ledger.

    A ledger that is away keeps the newest snapshot in force, and says so in health.

    Args:
        ledger: The ledger's pool.
        pepper: What digests are keyed with.
        accept_development: Whether development keys open this door.
    """

    def __init__(self, ledger: UpstreamPool, pepper: Pepper, *, accept_development: bool) -> None:
        self._ledger = ledger
        self._pepper = pepper
        self._accept_development = accept_development
        self._problem: str | None = "the keys have not been read yet"
        self._version = -1
        self.usable = 0
        """Keys that open this door now."""
        self.verifier = KeyVerifier(pepper, KeySnapshot(version=0, keys=[]))

    async def refresh(self) -> None:
        """Read the keys if they have changed.

        Raises:
            LedgerError: If the ledger refuses or cannot be reached; the present keys stay in force.
        """
        try:
            body = await _call(self._ledger, "GET", f"/v1/keys/snapshot?since={self._version}")
        except (ErrorInfoError, LedgerError) as error:
            self._problem = f"the keys are {self._version}, and the ledger is away: {error}"
            raise LedgerError(str(error)) from error
        self._problem = None
        snapshot = KeySnapshot.model_validate_json(body)
        if snapshot.version == self._version:
            return
        keys = [key for key in snapshot.keys if self._accept_development or not key.development]
        self.usable = sum(1 for key in keys if key.revoked_at is None)
        self.verifier = KeyVerifier(self._pepper, KeySnapshot(version=snapshot.version, keys=keys))
        self._version = snapshot.version

    async def follow(self, interval: float) -> None:
        """Refresh until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.refresh()
            except LedgerError:
                continue  # told in health; the next round may succeed

    def checks(self) -> Sequence[Check]:
        """Not critical: known keys still open the door."""
        return (Check("keys", self._health, critical=False),)

    async def _health(self) -> str | None:
        return self._problem


class Shipper:
    """Takes settled records from the journal to the ledger, in batches, until the ledger has them.

    Args:
        journal: Where they come from.
        ledger: The ledger's pool.
        log: Told once when shipping fails and once when it works again.
    """

    def __init__(self, journal: Journal, ledger: UpstreamPool, *, log: Logger) -> None:
        self._journal = journal
        self._ledger = ledger
        self._log = log
        self._problem: str | None = None
        self._lock = asyncio.Lock()

    async def ship(self) -> None:
        """Ship everything that is settled now.

        Raises:
            LedgerError: If the ledger refuses or cannot be reached; nothing is lost, the next call tries again.
        """
        async with self._lock:
            for batch in self._journal.batches(_BATCH):
                await self._ship(UsageBatch(records=batch))

    async def _ship(self, batch: UsageBatch) -> None:
        try:
            await _call(self._ledger, "POST", "/v1/usage/batches", batch.model_dump_json(exclude_none=True).encode())
        except (ErrorInfoError, LedgerError) as error:
            if self._problem is None:
                self._log.warning("usage cannot be shipped", error=str(error), backlog=self._journal.backlog)
            self._problem = str(error)
            raise LedgerError(str(error)) from error
        self._journal.shipped(batch.records)
        if self._problem is not None:
            self._log.info("usage is shipped again", backlog=self._journal.backlog)
            self._problem = None

    async def follow(self, interval: float) -> None:
        """Ship until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.ship()
            except LedgerError:
                continue  # told once; the journal keeps what could not be shipped

    def checks(self) -> Sequence[Check]:
        """Not critical: the journal keeps what the ledger does not take."""
        return (Check("journal", self._health, critical=False),)

    async def _health(self) -> str | None:
        waiting = self._journal.backlog
        return None if self._problem is None else f"{waiting} records wait for the ledger: {self._problem}"


async def _call(ledger: UpstreamPool, method: str, path: str, body: bytes = b"") -> bytes:
    headers = {"Content-Type": "application/json"} if body else None
    async with ledger.request(method, path, body=body, headers=headers) as response:
        answer = await response.read()
        if response.status != 200:
            raise LedgerError(f"the ledger answered {response.status}: {answer[:200]!r}")
        return answer
