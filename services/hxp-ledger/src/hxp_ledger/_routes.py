"""The ledger over HTTP: a snapshot of the keys, the ingestion of usage, and what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads it
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from hxp_schemas import UsageBatch
from hxp_schemas.openai import parse_request
from hxp_services_base.chassis import ServiceError, read_body, require_json
from pydantic import AfterValidator, AwareDatetime, TypeAdapter

from ._usage import UsageSummary
from .errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hxp_schemas import UsageReceipt

    from ._keys import KeyStore
    from ._usage import UsageStore

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)
_RETRY_AFTER = 1.0
_GREATEST_VERSION = 2**63 - 1
_STILL_THERE = 20.0
"""Seconds after which a reader without news is noted again."""
_MOST_READERS = 1024
_PATIENCE = 0.5
"""Seconds that the keys wait for their reader to be noted."""


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range in UTC") from None


_Moment = Annotated[AwareDatetime, AfterValidator(_in_utc), Query()]


def add_routes(
    router: APIRouter,
    *,
    keys: Callable[[], KeyStore],
    usage: Callable[[], UsageStore],
    ingested: Callable[[UsageReceipt], None],
) -> None:
    """Add the ledger's routes.

    Args:
        router: Where to.
        keys: The keys, once the service has started.
        usage: The usage, once the service has started.
        ingested: Told what became of each batch.
    """
    ledger = APIRouter(dependencies=[Depends(_telling_when_the_database_is_away)])
    summaries = TypeAdapter(list[UsageSummary])

    readers = Readers(keys)

    @ledger.get("/v1/keys/snapshot")
    async def snapshot(
        *,
        since: Annotated[int | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 5_000,
        reader: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
    ) -> Response:
        """Answer with all keys, or with those that changed since a version, which the reader thereby has applied."""
        if since is None:
            return _json((await keys().snapshot()).model_dump_json(exclude_unset=True))
        known = max(-1, min(since, _GREATEST_VERSION))
        if reader is not None and known >= 0:
            await readers.note(reader, known)
        found = await keys().changes(known, limit)
        return _json(found.model_dump_json(exclude_unset=True))

    @ledger.post("/v1/usage/batches")
    async def ingest(request: Request) -> Response:
        require_json(request.scope)
        batch = parse_request(UsageBatch, await read_body(request.scope, request.receive))
        receipt = await usage().ingest(batch)
        ingested(receipt)
        return _json(receipt.model_dump_json())

    @ledger.get("/v1/usage/summary")
    async def summary(
        *,
        since: _Moment = _BEGINNING,
        until: _Moment = _END,
        group_by: Annotated[Literal["key", "model"], Query()] = "key",
    ) -> Response:
        found = await usage().summary(since, until, group_by=group_by)
        return _json(summaries.dump_json(list(found)))

    router.include_router(ledger)


class Readers:
    """Notes who has applied which version: each change at once, that somebody is still there only now and then.

    Args:
        keys: The keys, once the service has started.
        clock: Monotonic seconds.
    """

    def __init__(self, keys: Callable[[], KeyStore], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._noted: dict[str, tuple[int, float]] = {}
        self._writing: dict[str, asyncio.Task[None]] = {}

    async def note(self, name: str, version: int) -> None:
        """Take note that a reader has applied all changes up to a version.

        A database that is slow to write is not waited for: the keys themselves matter more.
        """
        if name in self._writing:
            return
        before, at = self._noted.get(name, (-1, float("-inf")))
        now = self._clock()
        if version == before and now - at < _STILL_THERE:
            return
        if len(self._noted) >= _MOST_READERS and name not in self._noted:
            self._noted.clear()
        task = asyncio.create_task(self._write(name, version, now), name="note-reader")
        self._writing[name] = task
        task.add_done_callback(lambda _: self._writing.pop(name, None))
        await asyncio.wait({task}, timeout=_PATIENCE)

    async def _write(self, name: str, version: int, now: float) -> None:
        try:
            await self._keys().note_reader(name, version)
        except (DatabaseUnavailableError, RuntimeError):  # away, or closed already
            return  # the next reading notes it
        self._noted[name] = (version, now)


async def _telling_when_the_database_is_away() -> AsyncIterator[None]:
    """Every route is used through here, so that a database that is away is a 503 that may be tried again."""
    try:
        yield
    except DatabaseUnavailableError as error:
        message = "the ledger's database does not answer; nothing was lost, try again"
        raise ServiceError.of(503, "database_unavailable", message, retryable=True, retry_after=_RETRY_AFTER) from error


def _json(text: str | bytes) -> Response:
    return Response(text, media_type="application/json")
