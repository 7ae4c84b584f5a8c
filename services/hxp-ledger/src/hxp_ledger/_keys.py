"""API keys in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hxp_schemas import KeyRecord, KeySnapshot
from sqlalchemy import insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from ._audit import record_change
from ._tables import api_keys, key_readers, keys_version
from ._text import storable
from .errors import KeyNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from ._database import Database


_NAMES = ("id", "name", "digest", "created_at", "revoked_at", "development", "team")
_RECORD = tuple(api_keys.c[name] for name in _NAMES)


@dataclass(frozen=True, slots=True)
class KeyReader:
    """A gateway that reads the keys.

    Attributes:
        name: Its instance.
        version: The version up to which it has applied all changes.
        seen_at: When it last said so.
    """

    name: str
    version: int
    seen_at: datetime


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class KeyStore:
    """Creates, lists and revokes keys; every change raises the version of the snapshot and is audited with it.

    Args:
        database: An open database.
        clock: Returns the time, in UTC.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self,
        name: str,
        digest: str,
        *,
        key_id: str,
        development: bool = False,
        team: str | None = None,
        actor: str = "system",
    ) -> KeyRecord:
        """Store a new key by its digest.

        Args:
            name: What its owner calls it.
            digest: The keyed digest; the key itself is never stored.
            key_id: The id that the key carries.
            development: Whether it is for development only.
            team: Who shares limits, caches and bills with it.
            actor: Who creates it.
        """
        now = self._clock()
        record = KeyRecord(
            id=key_id, name=storable(name), digest=digest, created_at=now, development=development, team=team
        )
        async with self._database.writing() as connection:
            version = await _raise_version(connection)
            await connection.execute(insert(api_keys).values(**record.model_dump(), changed=version))
            detail = {"name": record.name, "development": development}
            if team is not None:
                detail["team"] = team
            await record_change(connection, now, actor=actor, action="key.create", subject=key_id, detail=detail)
        return record

    async def revoke(self, key_id: str, *, actor: str = "system") -> KeyRecord:
        """Revoke a key from now on; one that is revoked already stays as it is.

        Raises:
            KeyNotFoundError: There is no such key.
        """
        now = self._clock()
        async with self._database.writing() as connection:
            # The counter is raised first: its row orders the writers.
            version = await _raise_version(connection)
            query = select(*_RECORD).where(api_keys.c.id == key_id)
            row = (await connection.execute(query)).mappings().one_or_none()
            if row is None:
                raise KeyNotFoundError(f"there is no key {key_id!r}")
            record = KeyRecord.model_validate(dict(row))
            if record.revoked_at is not None:
                await connection.rollback()
                return record
            change = update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now, changed=version)
            await connection.execute(change)
            await record_change(
                connection, now, actor=actor, action="key.revoke", subject=key_id, detail={"name": record.name}
            )
        return record.model_copy(update={"revoked_at": now})

    async def list(self) -> list[KeyRecord]:
        """Return all keys, revoked ones too, oldest first."""
        return (await self.snapshot()).keys

    async def snapshot(self) -> KeySnapshot:
        """Return all keys and the version that belongs to exactly these."""
        # One statement sees one state, at any isolation level.
        query = (
            select(keys_version.c.version, *_RECORD)
            .select_from(keys_version.outerjoin(api_keys, true()))
            .order_by(api_keys.c.id)
        )
        async with self._database.reading() as connection:
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        [version] = {row.pop("version") for row in rows}
        keys = [KeyRecord.model_validate(row) for row in rows if row["id"] is not None]
        return KeySnapshot(version=version, keys=keys)

    async def changes(self, since: int, limit: int) -> KeySnapshot:
        """Return the keys that changed after a version, oldest change first.

        A version below zero, or one that the ledger never had, is answered from the beginning, with the keys that are
        in force alone.

        Args:
            since: The version that the reader has.
            limit: Keys at the most; `more` says that there are others.
        """
        newest = await self.version()
        if since == newest:
            return KeySnapshot(version=newest, keys=[])
        full = not 0 <= since <= newest
        wanted = api_keys.c.changed > (-1 if full else since)
        if full:
            wanted &= api_keys.c.revoked_at.is_(None)
        query = (
            select(keys_version.c.version, api_keys.c.changed, *_RECORD)
            .select_from(keys_version.outerjoin(api_keys, wanted))
            .order_by(api_keys.c.changed, api_keys.c.id)
            .limit(limit + 1)
        )
        async with self._database.reading() as connection:
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        version, more = rows[0].pop("version"), len(rows) > limit
        keys = [row for row in rows[:limit] if row["id"] is not None]
        if more:
            version = keys[-1]["changed"]
        records = [KeyRecord.model_validate({name: row[name] for name in _NAMES}) for row in keys]
        flags = {name: True for name, flag in (("more", more), ("full", full)) if flag}
        return KeySnapshot(version=version, keys=records, **flags)

    async def note_reader(self, name: str, version: int) -> None:
        """Take note that a reader has applied all changes up to a version."""
        now = self._clock()
        dialect = postgresql if self._database.dialect == "postgresql" else sqlite
        statement = dialect.insert(key_readers).values(name=storable(name), version=version, seen_at=now)
        change = {"version": version, "seen_at": now}
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=change)
        async with self._database.writing() as connection:
            await connection.execute(statement)

    async def readers(self, since: datetime) -> Sequence[KeyReader]:
        """Return the readers that were seen since a moment, by name."""
        query = select(key_readers).where(key_readers.c.seen_at >= since).order_by(key_readers.c.name)
        async with self._database.reading() as connection:
            return [KeyReader(**row) for row in (await connection.execute(query)).mappings()]

    async def version(self) -> int:
        """Return the version of the snapshot alone, for one who asks often."""
        async with self._database.reading() as connection:
            return int((await connection.execute(select(keys_version.c.version))).scalar_one())


async def _raise_version(connection: AsyncConnection) -> int:
    raised = update(keys_version).values(version=keys_version.c.version + 1).returning(keys_version.c.version)
    return int((await connection.execute(raised)).scalar_one())
