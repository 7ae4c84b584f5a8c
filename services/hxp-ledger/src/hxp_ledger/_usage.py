"""What was used, counted once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from hxp_schemas import UsageReceipt, UsageRecord
from sqlalchemy import case, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from ._tables import usage
from ._text import storable
from .errors import MalformedCursorError

if TYPE_CHECKING:
    from hxp_schemas import UsageBatch

    from ._database import Database


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """What a key or a model used.

    Attributes:
        group: The key's id or the model's name; None for requests without a key.
        requests: Requests in all.
        failed: Requests that did not complete.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        estimated: Requests whose tokens are an estimate.
    """

    group: str | None
    requests: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    estimated: int = 0


@dataclass(frozen=True, slots=True)
class UsagePage:
    """A part of the records.

    Attributes:
        records: In the order of their start.
        cursor: What to give as `after` for the next page; None at the end.
    """

    records: list[UsageRecord]
    cursor: str | None


class UsageStore:
    """Takes usage in, and sums it up.

    Args:
        database: An open database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ingest(self, batch: UsageBatch) -> UsageReceipt:
        """Store a batch, all of it or nothing; a request that is known already, or comes twice, counts once.

        The first record of a request stays; a later one with the same id changes nothing.
        """
        rows = [_row(record) for record in batch.records]
        # Two writers with the same requests in another order would wait for each other.
        rows.sort(key=lambda row: str(row["request_id"]))
        insert = postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        # Not `values(rows)`: SQLAlchemy would compile one huge statement, and block the loop for that long.
        statement = insert(usage).on_conflict_do_nothing(index_elements=["request_id"]).returning(usage.c.request_id)
        async with self._database.writing() as connection:
            accepted = len((await connection.execute(statement, rows)).all())
        return UsageReceipt(accepted=accepted, duplicates=len(rows) - accepted)

    async def summary(
        self, since: datetime, until: datetime, *, group_by: Literal["key", "model"] = "key"
    ) -> list[UsageSummary]:
        """Sum up the requests that started from `since` up to, and without, `until`."""
        group = usage.c.key_id if group_by == "key" else usage.c.model
        query = (
            select(
                group.label("group"),
                func.count().label("requests"),
                func.sum(case((usage.c.status == "completed", 0), else_=1)).label("failed"),
                func.sum(usage.c.prompt_tokens).label("prompt_tokens"),
                func.sum(usage.c.completion_tokens).label("completion_tokens"),
                func.sum(case((usage.c.estimated, 1), else_=0)).label("estimated"),
            )
            .where(usage.c.started_at >= since, usage.c.started_at < until)
            .group_by(group)
            .order_by(group)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        # PostgreSQL sums big integers to decimals, and sorts None elsewhere than SQLite.
        found = [UsageSummary(name, *map(int, counts)) for name, *counts in rows]
        return sorted(found, key=lambda entry: (entry.group is not None, entry.group or ""))

    async def page(self, after: str | None = None, limit: int = 100) -> UsagePage:
        """Return records in the order of their start, from the one after the cursor on.

        Raises:
            MalformedCursorError: `after` is not the cursor of a page.
        """
        place = tuple_(usage.c.started_at, usage.c.request_id)
        query = select(usage).order_by(usage.c.started_at, usage.c.request_id).limit(limit)
        if after is not None:
            started_at, request_id = _read_cursor(after)
            query = query.where(place > tuple_(started_at, request_id))
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        records = [UsageRecord.model_validate(dict(row)) for row in rows]
        cursor = _write_cursor(records[-1]) if len(records) == limit else None
        return UsagePage(records, cursor)


def _row(record: UsageRecord) -> dict[str, Any]:
    return {
        name: storable(value) if isinstance(value, str) else value
        for name, value in record.model_dump(include=set(usage.c.keys())).items()
    }


def _write_cursor(record: UsageRecord) -> str:
    return f"{record.started_at.isoformat()}~{record.request_id}"


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    started_at, separator, request_id = cursor.partition("~")
    try:
        moment = datetime.fromisoformat(started_at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not separator:
        raise MalformedCursorError("the cursor is not one that a page ended with")
    return moment, request_id
