"""Settled records on their way from the journal to the ledger."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hxp_schemas import UsageRecord
from hxp_services_base import Check
from pydantic import ValidationError

from ._ledger import LedgerError, RefusedByLedgerError, call_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hxp_logging import Logger
    from hxp_services_base import UpstreamPool

    from ._journal import Journal

_BATCH = 500


class Shipper:
    """Takes settled records from the journal to the ledger, in batches, until the ledger has them.

    A record that the ledger refuses is set aside with its reason, and the others go on.

    Args:
        journal: Where they come from.
        ledger: The ledger's pool.
        log: Gets one line when shipping fails and one when it works again.
        on_set_aside: Called for each record that is set aside.
    """

    def __init__(
        self, journal: Journal, ledger: UpstreamPool, *, log: Logger, on_set_aside: Callable[[], None] = lambda: None
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._log = log
        self._on_set_aside = on_set_aside
        self._problem: str | None = None
        self._lock = asyncio.Lock()

    async def ship(self) -> None:
        """Ship everything that is settled now.

        Raises:
            LedgerError: If the ledger cannot be reached or does not work; nothing is lost, the next call tries again.
            OSError: If the disk does not let the journal be read, or a record be set aside.
        """
        async with self._lock:
            try:
                while (batch := self._journal.batch(_BATCH)) is not None:
                    await self._send(batch.records)
                    self._journal.acknowledge(batch)
            except (LedgerError, OSError) as error:
                self._failed(error)
                raise
            if self._problem is not None:
                self._log.info("usage is shipped again", backlog=self._journal.backlog)
                self._problem = None

    def _failed(self, error: Exception) -> None:
        if self._problem is None:
            self._log.warning("usage cannot be shipped", error=str(error), backlog=self._journal.backlog)
        self._problem = str(error)

    async def _send(self, records: Sequence[bytes]) -> None:
        """Send records; where the ledger refuses some, set those aside and send the others."""
        body = b'{"records":[%b]}' % b",".join(records)
        try:
            await call_ledger(self._ledger, "POST", "/v1/usage/batches", body)
        except RefusedByLedgerError as error:
            await self._send_without_refused(records, str(error))

    async def _send_without_refused(self, records: Sequence[bytes], reason: str) -> None:
        """Set aside what cannot be read, or else the one record that is refused; send the others, in halves."""
        unreadable = {record: problem for record in records if (problem := _problem_of(record)) is not None}
        if not unreadable and len(records) == 1:
            unreadable = {records[0]: reason}
        for record, problem in unreadable.items():
            self._journal.set_aside(record, problem)
            self._on_set_aside()
            self._log.error("a usage record is set aside", reason=problem, file=str(self._journal.quarantine))
        rest = [record for record in records if record not in unreadable]
        if unreadable and rest:
            await self._send(rest)
        elif rest:
            middle = len(rest) // 2
            await self._send(rest[:middle])
            await self._send(rest[middle:])

    async def follow(self, interval: float) -> None:
        """Ship until cancelled, whatever goes wrong: each failure is reported once, and the next round tries again."""
        while True:
            await asyncio.sleep(interval)
            try:
                self._journal.try_again()
                await self.ship()
            except (LedgerError, OSError):
                continue  # reported by ship(); the journal keeps what could not be shipped
            except Exception as error:  # noqa: BLE001 - a keeper of records must outlive what nobody foresaw
                self._failed(error)

    def checks(self) -> Sequence[Check]:
        """Return checks on the ledger, on what was set aside, on lost segments, and a critical one on the disk."""
        return (
            Check("journal", self._health, critical=False),
            Check("journal-disk", self._disk_health),
            Check("journal-quarantine", self._quarantine_health, critical=False, ttl=5.0),
            Check("journal-segments", self._segments_health, critical=False),
        )

    async def _disk_health(self) -> str | None:
        self._journal.try_again()
        problem = self._journal.problem or self._journal.no_room()
        return None if problem is None else f"requests cannot be put on record, so none is taken: {problem}"

    async def _health(self) -> str | None:
        waiting = self._journal.backlog
        return None if self._problem is None else f"{waiting} records wait for the ledger: {self._problem}"

    async def _segments_health(self) -> str | None:
        lost = self._journal.lost
        return None if not lost else f"{lost} segments of the journal are gone or unreadable, with what was in them"

    async def _quarantine_health(self) -> str | None:
        file = self._journal.quarantine
        if not file.exists():
            return None
        return f"the ledger refused records, which are kept in {file}; correct what is wrong, then move that file away"


def _problem_of(record: bytes) -> str | None:
    try:
        UsageRecord.model_validate_json(record)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'record'}: {first['msg']}"
    return None
