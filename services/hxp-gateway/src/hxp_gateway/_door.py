"""The hot path: raw ASGI ahead of everything else, from the key to the settled record."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import hxp_logging
import orjson
from hxp_schemas import ErrorInfo, UsageRecord, new_id
from hxp_schemas.sse import DONE
from hxp_services_base import GarbageStreamError, StreamEnd, StreamTap, token_count
from hxp_services_base.chassis import (
    TENANT_HEADER,
    Paths,
    ServiceError,
    bearer_token,
    exchange_of,
    read_body,
    require_json,
    respond,
)

from ._document import estimate_prompt_tokens
from ._entry import JournalEntry
from ._routing import RoutedRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from hxp_logging import Logger
    from hxp_schemas import KeyRecord
    from hxp_services_base import Pepper, UpstreamResponse
    from hxp_services_base.chassis import ASGIApp, Exchange, Receive, Scope, Send

    from ._journal import Journal
    from ._keys import KeyCache
    from ._metrics import GatewayMetrics
    from ._route import Route
    from ._route_table import RouteTable

_GENERATION = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
_KEY = "hxp.key"
_TENANT = TENANT_HEADER.decode()
_END_AFTER_DONE = 0.1
_SHORT_BODY = 64 * 1024
_MAY_BE_UNKNOWN_OPTION = frozenset({400, 422})
_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")


@dataclass(frozen=True, slots=True)
class DoorParts:
    """What a door works with.

    Attributes:
        keys: The keys in force.
        journal: Where requests are put on record.
        pepper: The secret that tenants' pseudonyms are keyed with.
        routes: The upstream that answers for each model.
        metrics: Where outcomes are counted.
        log: The gateway's logger.
        max_body: Bytes of a request.
    """

    keys: KeyCache
    journal: Journal
    pepper: Pepper
    routes: RouteTable
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
        self._pepper = parts.pepper
        self._routes = parts.routes
        self._paths = Paths({**dict.fromkeys(_GENERATION, ("POST", self._generate)), **parts.routes.models.paths()})
        self._metrics = parts.metrics
        self._log = parts.log
        self._max_body = parts.max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the key is checked before a byte of the body is read (A1-A7)."""
        if not scope["path"].startswith("/v1/"):
            await self._inner(scope, receive, send)
            return
        key = await self._keys.check(bearer_token(scope))
        scope[_KEY] = key
        exchange_of(scope).fields["key_id"] = key.id
        await self._paths(scope, receive, send)

    async def _generate(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        require_json(scope)
        body = await read_body(scope, receive, limit=self._max_body)
        # A large body is read in a thread: it would keep all others waiting.
        request = RoutedRequest(body) if len(body) <= _SHORT_BODY else await asyncio.to_thread(RoutedRequest, body)
        route = self._routes.find(request.model)
        key = scope[_KEY]
        intent = self._intend(key, request, endpoint=scope["path"], upstream=route.pool.options.name)
        entry = JournalEntry(intent, exchange, request.received, write=self._settle)
        headers = {**hxp_logging.outgoing_headers(), "Content-Type": "application/json"}
        if route.in_stack:
            # A team may be named like somebody's key, so the two are told apart.
            headers[_TENANT] = self._pepper.pseudonym(f"{'key' if key.team is None else 'team'}:{key.tenant}")
        try:
            async with exchange.cancelled_when_client_leaves(receive):
                await self._forward(entry, request, route, exchange, send, headers=headers)
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
            **(_prompt_estimate(request.received) if request.is_stream else {}),
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
        self,
        entry: JournalEntry,
        request: RoutedRequest,
        route: Route,
        exchange: Exchange,
        send: Send,
        *,
        headers: Mapping[str, str],
    ) -> None:
        """Send a request upstream; once more without `stream_options` where the upstream may not know them."""
        asks = request.asks_on_its_own and route.asks_for_usage
        bodies = [request.body, request.received] if asks and route.may_refuse_usage else [request.body]
        if request.asks_on_its_own and not asks:
            bodies = [request.received]
        for body in bodies:
            last = body is bodies[-1]
            async with route.pool.request(
                "POST", exchange.path, body=body, headers=headers, whole=not request.is_stream
            ) as response:
                if response.status != 200:
                    refusal = _refusal(response, await response.read(), route.pool.options.name)
                    if last or response.status not in _MAY_BE_UNKNOWN_OPTION:
                        raise refusal
                    continue
                if asks:
                    route.learn(knows_usage=body is request.body)
                await self._answer(entry, request, response, send, upstream=route.pool.options.name)
                return

    async def _answer(
        self, entry: JournalEntry, request: RoutedRequest, response: UpstreamResponse, send: Send, *, upstream: str
    ) -> None:
        entry.has_begun = True
        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
            tap = StreamTap(strip_usage=not request.wants_usage)
            await _stream(entry, response, send, tap=tap, journal=self._journal)
        else:
            await _whole(entry, response, send, upstream=upstream)


def _prompt_estimate(body: bytes) -> dict[str, Any]:
    """Return the tokens on record of a stream whose process is killed; a long prompt is estimated when it moves."""
    if len(body) > _SHORT_BODY:
        return {}
    return {"prompt_tokens": estimate_prompt_tokens(body), "estimated": True}


async def _whole(entry: JournalEntry, response: UpstreamResponse, send: Send, *, upstream: str) -> None:
    body = await response.read()
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        response.failed()
        raise ServiceError.of(502, "upstream_garbage", f"{upstream} answered with something that is not JSON")
    if document.get("error") and not document.get("choices"):
        response.failed()
        raise ServiceError(ErrorInfo.from_response(502, body, {}))
    if not isinstance(document.get("choices", document.get("data")), list):
        response.failed()
        raise ServiceError.of(502, "upstream_garbage", f"{upstream} answered without choices and without data")
    entry.tokens = token_count(document.get("usage"))
    if not entry.tokens.completion:  # not counted, or there was nothing to count
        entry.text_bytes = _text_bytes(document)
        entry.tokens = replace(entry.tokens, is_exact=entry.tokens.is_exact and not entry.text_bytes)
    entry.complete()
    await respond(send, 200, [_JSON], body)


def _text_bytes(document: dict[str, Any]) -> int:
    """Return the bytes of an answer's choices, which its tokens are estimated by where no engine counted them."""
    choices = [choice for choice in document.get("choices") or () if isinstance(choice, dict)]
    generated = [choice.get("message") or choice.get("text") for choice in choices]
    texts = [held.get("content") or held.get("tool_calls") if isinstance(held, dict) else held for held in generated]
    return sum(len(orjson.dumps(text)) for text in texts if text)


async def _stream(
    entry: JournalEntry, response: UpstreamResponse, send: Send, *, tap: StreamTap, journal: Journal
) -> None:
    """Pass the events on as they come; the first one commits the response."""
    started = False
    entry.stream = tap
    try:
        async for events in _events(response, tap):
            if tap.done and tap.end is StreamEnd.COMPLETE:
                entry.complete()
            else:
                entry.note(journal)
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
        response.failed()
        entry.fail(ErrorInfo.from_response(502, orjson.dumps({"error": tap.error}), {}))
        await send({"type": "http.response.body", "body": b"" if tap.done else DONE})
        return
    await send({"type": "http.response.body", "body": b""})


async def _events(response: UpstreamResponse, tap: StreamTap) -> AsyncIterator[bytes]:
    """Yield whole events as they come, and what the tap adds at the end."""
    feed = tap.feed
    chunks = response.chunks()
    async for chunk in chunks:
        if events := feed(chunk):
            yield events
        if tap.done:
            await _let_end(chunks)
            break
    if events := tap.finish():
        yield events


async def _let_end(chunks: AsyncIterator[bytes]) -> None:
    """Give an upstream a moment to end its response after `[DONE]`, so that its connection can be used again."""
    with contextlib.suppress(TimeoutError, ServiceError, StopAsyncIteration):
        async with asyncio.timeout(_END_AFTER_DONE):
            await anext(chunks)


def _refusal(response: UpstreamResponse, body: bytes, upstream: str) -> ServiceError:
    """The upstream's refusal, told as ours: never its own credentials' failure as the caller's."""
    info = ErrorInfo.from_response(response.status, body, response.headers)
    if response.status in {401, 403}:
        return ServiceError.of(502, "upstream_refused_us", f"{upstream} does not accept this gateway's credentials")
    return ServiceError(info)
