"""API keys in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hxp_schemas import KeyRecord, KeySnapshot
from sqlalchemy import insert, select, true, update

from ._audit import record_change
from ._tables import api_keys, keys_version
from ._text import storable
from .errors import KeyNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from ._database import Database


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
        self, name: str, digest: str, *, key_id: str, development: bool = False, actor: str = "system"
    ) -> KeyRecord:
        """Store a new key by its digest.

        Args:
            name: What its owner calls it.
            digest: The keyed digest; the key itself is never stored.
            key_id: The id that the key carries.
            development: Whether it is for development only.
            actor: Who creates it.
        """
        now = self._clock()
        record = KeyRecord(id=key_id, name=storable(name), digest=digest, created_at=now, development=development)
        async with self._database.writing() as connection:
            await _raise_version(connection)
            await connection.execute(insert(api_keys).values(record.model_dump()))
            detail = {"name": record.name, "development": development}
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
            await _raise_version(connection)
            query = select(api_keys).where(api_keys.c.id == key_id)
            row = (await connection.execute(query)).mappings().one_or_none()
            if row is None:
                raise KeyNotFoundError(f"there is no key {key_id!r}")
            record = KeyRecord.model_validate(dict(row))
            if record.revoked_at is not None:
                await connection.rollback()
                return record
            change = update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now)
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
            select(keys_version.c.version, api_keys)
            .select_from(keys_version.outerjoin(api_keys, true()))
            .order_by(api_keys.c.id)
        )
        async with self._database.reading() as connection:
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        [version] = {row.pop("version") for row in rows}
        keys = [KeyRecord.model_validate(row) for row in rows if row["id"] is not None]
        return KeySnapshot(version=version, keys=keys)

    async def version(self) -> int:
        """Return the version of the snapshot alone, for one who asks often."""
        async with self._database.reading() as connection:
            return int((await connection.execute(select(keys_version.c.version))).scalar_one())


async def _raise_version(connection: AsyncConnection) -> None:
    await connection.execute(update(keys_version).values(version=keys_version.c.version + 1))
