"""Who changed what, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hxp_schemas import new_id
from sqlalchemy import insert, select

from ._tables import audit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from ._database import Database


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change.

    Attributes:
        id: `audit_` and a ULID: entries sort by time.
        at: When, in UTC.
        actor: Who.
        action: What, such as `key.create`.
        subject: To what: an id.
        detail: More about it; never a secret.
    """

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


class AuditLog:
    """The changes, to be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, after: str | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return entries in the order of their ids, from the one after `after` on."""
        query = select(audit).order_by(audit.c.id).limit(limit)
        if after is not None:
            query = query.where(audit.c.id > after)
        async with self._database.reading() as connection:
            return [AuditEntry(**row) for row in (await connection.execute(query)).mappings()]


async def record_change(
    connection: AsyncConnection, at: datetime, *, actor: str, action: str, subject: str, detail: Mapping[str, Any]
) -> None:
    """Write an entry in the transaction of the change itself."""
    await connection.execute(
        insert(audit).values(
            id=new_id("audit"), at=at, actor=actor, action=action, subject=subject, detail=dict(detail)
        )
    )
