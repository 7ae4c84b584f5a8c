"""The hot path: raw ASGI ahead of everything else, from the key to the settled record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import hxp_logging
import orjson
from hxp_schemas import ErrorInfo, UsageRecord, new_id
from hxp_schemas.sse import DONE
from hxp_services_base import GarbageStreamError, StreamEnd, StreamTap, TokenCount, token_count
from hxp_services_base.chassis import (
    Paths,
    ServiceError,
    bearer_token,
    exchange_of,
    read_body,
    require_json,
    respond,
    unauthorised,
)

from ._routing import RoutedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hxp_logging import Logger
    from hxp_schemas import KeyRecord
    from hxp_services_base import ModelsRoute, UpstreamPool, UpstreamResponse
    from hxp_services_base.chassis import ASGIApp, Exchange, Receive, Scope, Send

    from ._journal import Journal
    from ._ledger import KeyRing
    from ._metrics import GatewayMetrics

_GENERATION = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
_KEY = "hxp.key"
_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")


@dataclass(frozen=True, slots=True)
class DoorParts:
    """What a door works with.

    Attributes:
        keys: The keys in force.
        journal: Where requests are put on record.
        routes: The pool that answers for each model.
        models: The list of models.
        metrics: Where outcomes are counted.
        log: The gateway's logger.
        max_body: Bytes of a request.
    """

    keys: KeyRing
    journal: Journal
    routes: Mapping[str, UpstreamPool]
    models: ModelsRoute
    metrics: GatewayMetrics
    log: Logger
    max_body: int


class Door:
    """Answers `/v1/*`; everything else goes to `inner`.

    Args:
        inner: The app behind.
        parts: What it works with.
    """

    def __init__(self, inner: ASGIApp, parts: DoorParts) -> None:
        self._inner = inner
        self._keys = parts.keys
        self._journal = parts.journal
        self._routes = parts.routes
        self._paths = Paths({**dict.fromkeys(_GENERATION, ("POST", self._generate)), **parts.models.paths()})
        self._metrics = parts.metrics
        self._log = parts.log
        self._max_body = parts.max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not scope["path"].startswith("/v1/"):
            await self._inner(scope, receive, send)
            return
        key = self._checked(scope)
        scope[_KEY] = key
        exchange_of(scope).fields["key_id"] = key.id
        await self._paths(scope, receive, send)

    def _checked(self, scope: Scope) -> KeyRecord:
        """The caller's key, checked before a byte of the body is read (A1-A7)."""
        presented = bearer_token(scope)
        key = self._keys.verifier.verify(presented) if presented is not None else None
        if key is None:
            raise unauthorised()
        return key

    async def _generate(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        require_json(scope)
        request = RoutedRequest(await read_body(scope, receive, limit=self._max_body))
        pool = self._routes.get(request.model)
        if pool is None:
            message = f"there is no model {request.model[:128]!r}; GET /v1/models lists what there is"
            raise ServiceError.of(404, "model_not_found", message, param="model")
        intent = self._intend(scope[_KEY], request, endpoint=scope["path"], upstream=pool.options.name)
        entry = _Entry(intent, exchange, write=self._settle)
        try:
            async with exchange.cancelled_when_client_leaves(receive):
                await self._forward(entry, request, pool, exchange, send)
        except ServiceError as error:
            entry.fail(error.info)
            raise
        except asyncio.CancelledError:
            entry.cancel()
            raise
        except BaseException:
            entry.fail(ErrorInfo(code="internal_error", message="", status=500))
            raise

    def _intend(self, key: KeyRecord, request: RoutedRequest, *, endpoint: str, upstream: str) -> UsageRecord:
        record = UsageRecord(
            request_id=new_id("req"),  # never the caller's X-Request-ID: two requests may bring the same one
            key_id=key.id,
            model=request.model,
            endpoint=endpoint,
            status="unknown",
            started_at=datetime.now(UTC),
            stream=request.is_stream,
            upstream=upstream,
        )
        try:
            self._journal.intend(record)
        except OSError as error:
            self._metrics.journal_failed()
            self._log.error("the journal refused a request", error=str(error))
            message = "the gateway cannot put requests on record now, so it takes none; try again later"
            raise ServiceError.of(503, "journal_unavailable", message, retryable=True, retry_after=5.0) from error
        return record

    def _settle(self, record: UsageRecord) -> None:
        """Never awaits, so that no cancellation can come between."""
        try:
            self._journal.settle(record)
        except OSError as error:  # it stays in memory and is shipped from there; a crash before would tell `unknown`
            self._metrics.journal_failed()
            self._log.error("the journal refused a settlement", error=str(error), usage_id=record.request_id)
        self._metrics.settled(record)

    async def _forward(
        self, entry: _Entry, request: RoutedRequest, pool: UpstreamPool, exchange: Exchange, send: Send
    ) -> None:
        headers = {**hxp_logging.outgoing_headers(), "Content-Type": "application/json"}
        async with pool.request("POST", exchange.path, body=request.body, headers=headers) as response:
            if response.status != 200:
                raise _refusal(response, await response.read(), pool.options.name)
            if response.headers.get("Content-Type", "").startswith("text/event-stream"):
                await _stream(entry, response, send, tap=StreamTap(strip_usage=not request.wants_usage))
            else:
                await _whole(entry, response, send, upstream=pool.options.name)


class _Entry:
    """One journal entry, settled exactly once, by whatever ends the request first.

    A completed answer is settled before its last byte is sent: what a client has whole is on record with its tokens.
    """

    __slots__ = ("_exchange", "_intent", "_is_settled", "_write", "tokens")

    def __init__(self, intent: UsageRecord, exchange: Exchange, *, write: Callable[[UsageRecord], None]) -> None:
        self._intent = intent
        self._exchange = exchange
        self._write = write
        self._is_settled = False
        self.tokens = TokenCount(0, 0, is_exact=False)

    def complete(self) -> None:
        """The whole answer is here."""
        self._settle("completed", http_status=200, error_code=None)

    def fail(self, info: ErrorInfo) -> None:
        """It ends with an error, which is told after this."""
        status = "truncated" if info.code == "stream_truncated" else "failed"
        self._settle(status, http_status=self._exchange.status or info.status, error_code=info.code)

    def cancel(self) -> None:
        """The client left, or the chassis cut it."""
        code = self._exchange.cut.code if self._exchange.cut is not None else "client_left"
        self._settle("cancelled", http_status=self._exchange.status or None, error_code=code)

    def _settle(self, status: str, *, http_status: int | None, error_code: str | None) -> None:
        if self._is_settled:
            return
        self._is_settled = True
        ending = {
            "status": status,
            "http_status": http_status,
            "error_code": error_code,
            "prompt_tokens": self.tokens.prompt,
            "completion_tokens": self.tokens.completion,
            "finished_at": datetime.now(UTC),
        }
        record = self._intent.model_copy(update=ending)
        told = {name: ending[name] for name in ("prompt_tokens", "completion_tokens")}
        self._exchange.fields.update(usage_id=record.request_id, model=record.model, outcome=status, **told)
        self._write(record)


async def _whole(entry: _Entry, response: UpstreamResponse, send: Send, *, upstream: str) -> None:
    body = await response.read()
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        response.failed()
        raise ServiceError.of(502, "upstream_garbage", f"{upstream} answered with something that is not JSON")
    entry.tokens = token_count(document.get("usage"))
    entry.complete()
    await respond(send, 200, [_JSON], body)


async def _stream(entry: _Entry, response: UpstreamResponse, send: Send, *, tap: StreamTap) -> None:
    """Pass the events on as they come; the first one commits the response."""
    started = False
    try:
        async for chunk in response.chunks():
            events = tap.feed(chunk)
            if not events:
                continue
            entry.tokens = tap.tokens
            if tap.end is StreamEnd.COMPLETE:
                entry.complete()
            if not started:
                await send({"type": "http.response.start", "status": 200, "headers": [_EVENTS]})
                started = True
            await send({"type": "http.response.body", "body": events, "more_body": True})
    except GarbageStreamError as error:
        response.failed()
        raise ServiceError.of(502, "upstream_garbage", f"the upstream's stream cannot be read: {error}") from error
    if tap.end is StreamEnd.OPEN:
        response.failed()
        message = "the answer broke off before its end; what came so far is not complete"
        raise ServiceError.of(502, "stream_truncated", message)
    if tap.end is StreamEnd.ERROR:
        entry.fail(ErrorInfo.from_response(502, orjson.dumps({"error": tap.error}), {}))
        await send({"type": "http.response.body", "body": b"" if tap.done else DONE})
        return
    await send({"type": "http.response.body", "body": b""})


def _refusal(response: UpstreamResponse, body: bytes, upstream: str) -> ServiceError:
    """The upstream's refusal, told as ours: never its own credentials' failure as the caller's."""
    info = ErrorInfo.from_response(response.status, body, response.headers)
    if response.status in {401, 403}:
        return ServiceError.of(502, "upstream_refused_us", f"{upstream} does not accept this gateway's credentials")
    return ServiceError(info)
