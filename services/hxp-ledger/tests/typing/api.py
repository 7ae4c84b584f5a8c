"""A user's program, checked by mypy and never run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hxp_ledger import (
    AuditEntry,
    AuditLog,
    Database,
    DatabaseUnavailableError,
    KeyNotFoundError,
    KeyStore,
    LedgerError,
    UsagePage,
    UsageStore,
    UsageSummary,
)

if TYPE_CHECKING:
    from hxp_schemas import KeyRecord, KeySnapshot, UsageBatch, UsageReceipt


async def use(url: str, batch: UsageBatch) -> int:
    async with Database(url, busy_timeout=5.0) as database:
        await database.migrate()
        keys = KeyStore(database, clock=lambda: datetime.now(UTC))
        made: KeyRecord = await keys.create("a", "0" * 64, key_id="key_…", development=True, actor="me")
        try:
            await keys.revoke(made.id, actor="me")
        except KeyNotFoundError as error:
            root: LedgerError = error
            raise DatabaseUnavailableError from root
        snapshot: KeySnapshot = await keys.snapshot()
        usage = UsageStore(database)
        receipt: UsageReceipt = await usage.ingest(batch)
        now = datetime.now(UTC)
        sums: list[UsageSummary] = await usage.summary(now - timedelta(days=1), now, group_by="model")
        await usage.summary(now, now, group_by="colour")  # type: ignore[arg-type]
        page: UsagePage = await usage.page(None, 10)
        entries: list[AuditEntry] = await AuditLog(database).page(limit=5)
        return snapshot.version + receipt.accepted + len(sums) + len(page.records) + len(entries)
