"""The ledger over HTTP: a snapshot of the keys, the ingestion of usage, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Query
from hxp_schemas import UsageBatch
from hxp_schemas.openai import parse_request
from hxp_services_base.chassis import read_body, require_json
from pydantic import TypeAdapter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import Response

from ._usage import UsageSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter
    from hxp_schemas import UsageReceipt

    from ._keys import KeyStore
    from ._usage import UsageStore

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


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
    summaries = TypeAdapter(list[UsageSummary])

    @router.get("/v1/keys/snapshot")
    async def snapshot() -> Response:
        return _json((await keys().snapshot()).model_dump_json())

    @router.post("/v1/usage/batches")
    async def ingest(request: Request) -> Response:
        require_json(request.scope)
        batch = parse_request(UsageBatch, await read_body(request.scope, request.receive))
        receipt = await usage().ingest(batch)
        ingested(receipt)
        return _json(receipt.model_dump_json())

    @router.get("/v1/usage/summary")
    async def summary(
        *,
        since: Annotated[datetime, Query()] = _BEGINNING,
        until: Annotated[datetime, Query()] = _END,
        group_by: Annotated[Literal["key", "model"], Query()] = "key",
    ) -> Response:
        found = await usage().summary(since, until, group_by=group_by)
        return _json(summaries.dump_json(list(found)))


def _json(text: str | bytes) -> Response:
    return Response(text, media_type="application/json")
