"""A pool of connections to one upstream, with limits, time limits, a breaker, and errors of our own catalogue."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from hxp_resilience import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    DeadlineExceededError,
    Pipeline,
    RetriesExhaustedError,
    Retry,
    StreamBrokenError,
    StreamGuard,
)
from hxp_schemas import ErrorInfo

from ._health import Check
from ._upstream import AnswerTooSlowError, NotSentError, UpstreamError, upstream_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from ._context import Context
    from ._upstream import UpstreamOptions, UpstreamResponse


_END_OF_BODY = object()
"""The last item of a stream: after it the reader may still judge the answer, until it leaves the block."""


class _Response:
    """One response: the head has come, the body is read as it comes."""

    def __init__(
        self,
        head: aiohttp.ClientResponse,
        items: AsyncIterator[Any],
        fail: Callable[[BaseException], None],
        options: UpstreamOptions,
    ) -> None:
        self.status = head.status
        self.headers: Mapping[str, str] = head.headers
        self._items = items
        self._fail = fail
        self._name = options.name
        self._max_body = options.max_body

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._items:
                if chunk is _END_OF_BODY:
                    return
                yield chunk
        except StreamBrokenError as error:
            message = f"{self._name} stopped in the middle of its answer: {error}"
            raise upstream_error(504, "upstream_timeout", message, UpstreamError) from error

    async def read(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > self._max_body:
                self.failed()
                message = f"{self._name} answered with more than {self._max_body} bytes"
                raise upstream_error(502, "upstream_too_large", message, UpstreamError)
            parts.append(chunk)
        return b"".join(parts)

    def failed(self) -> None:
        self._fail(upstream_error(502, "upstream_broke_off", f"{self._name} answered badly", UpstreamError))


class UpstreamPool:
    """Connections to one upstream; the `Upstream` that the base class opens for each of its options.

    Each request goes through a pipeline of hxp-resilience: a place for its connection, a second try where nothing was
    sent, the circuit breaker, and a guard over head and body. The breaker counts what the upstream does: a 5xx, a
    connection that fails, silence, a body that breaks off. A full pool, a reader that is slow or leaves, and an answer
    that is longer than the total time are not its fault.

    Args:
        options: How to reach it.
    """

    def __init__(self, options: UpstreamOptions) -> None:
        self.options = options
        self.name = f"upstream:{options.name}"
        self.breaker = CircuitBreaker(options.name, failure_on=_is_fault, failure_if=_is_server_error)
        self._session: aiohttp.ClientSession | None = None
        places = Bulkhead(
            options.max_connections, max_queued=options.max_connections, queue_timeout=options.connect_timeout
        )
        retry = Retry(attempts=options.connect_attempts, retry_on=NotSentError)

        def guarded_by(first_item: float) -> Pipeline:
            guard = StreamGuard(first_item, idle=options.idle_timeout, is_end=_is_end_of_body)
            return Pipeline(places, retry, self.breaker, guard, name=options.name)

        self._streamed = guarded_by(options.first_byte_timeout)
        self._whole = guarded_by(options.total_timeout)

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[UpstreamPool]:
        """Keep the pool until the block is left."""
        del context  # a pool needs nothing of it
        # The bulkhead bounds connections: a wait for one inside the connector would look like a slow upstream.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=self.options.keep_alive, ttl_dns_cache=30)
        timeout = aiohttp.ClientTimeout(total=self.options.total_timeout, connect=self.options.connect_timeout)
        authorization = {"Authorization": f"Bearer {self.options.token}"} if self.options.token else {}
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers=authorization,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as self._session:
            yield self
        self._session = None

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        whole: bool = False,
    ) -> AsyncIterator[UpstreamResponse]:
        """Send one request; leaving the block early closes its connection, which aborts the work upstream.

        Args:
            method: The HTTP method.
            path: The path below the upstream's base URL.
            body: The request's body.
            headers: Further request headers.
            whole: Whether the head comes only when the whole answer is made, and so may take the total time.

        Raises:
            NotSentError: 502 when no connection came about, 503 when all connections are taken.
            UpstreamError: 502 when it broke off, 503 while the breaker is open, 504 when it took too long.
        """
        pipeline = self._whole if whole else self._streamed
        stream = pipeline.stream(self._exchange, method, path, body, headers)
        try:
            items = await stream.__aenter__()
        except RetriesExhaustedError as error:
            raise error.__cause__ or error from None  # the last NotSentError: nothing else is tried again
        except (CircuitOpenError, BulkheadFullError, StreamBrokenError, DeadlineExceededError) as error:
            raise self._not_answered(error, whole=whole) from error
        try:
            head: aiohttp.ClientResponse = await anext(items)
            yield _Response(head, items, stream.fail, self.options)
        finally:
            await stream.__aexit__(None, None, None)

    async def _exchange(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None
    ) -> AsyncIterator[aiohttp.ClientResponse | bytes | object]:
        """Yield the head, the body in pieces, and its end; only a connection that was read to the end is kept."""
        assert self._session is not None, "the pool is not open"  # noqa: S101 - a programming error
        name = self.options.name
        url = self.options.url + path
        response: aiohttp.ClientResponse | None = None
        finished = False
        try:
            response = await self._session.request(method, url, data=body, headers=headers, allow_redirects=False)
            yield response
            async for chunk in response.content.iter_any():
                yield chunk
            finished = True
            yield _END_OF_BODY
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            message = f"{name} cannot be reached; try again"
            raise upstream_error(502, "upstream_unreachable", message, NotSentError) from error
        except aiohttp.ClientError as error:
            where = "without an answer" if response is None else "in the middle of its answer"
            message = f"{name} closed the connection {where} ({type(error).__name__})"
            raise upstream_error(502, "upstream_broke_off", message, UpstreamError) from error
        except TimeoutError as error:
            message = f"{name} took longer than {self.options.total_timeout:g} s"
            raise upstream_error(504, "upstream_timeout", message, AnswerTooSlowError) from error
        finally:
            if response is not None:
                if finished:
                    response.release()
                else:
                    response.close()

    def _not_answered(self, error: Exception, *, whole: bool) -> UpstreamError:
        name = self.options.name
        if isinstance(error, BulkheadFullError):
            message = f"all {self.options.max_connections} connections to {name} are taken; try again in a moment"
            return upstream_error(503, "upstream_saturated", message, NotSentError)
        if isinstance(error, CircuitOpenError):
            message = f"{name} has been failing and is not asked for now; try again later"
            info = ErrorInfo(
                code="upstream_unavailable", message=message, status=503, retryable=True, retry_after=error.retry_after
            )
            return UpstreamError(info)
        limit = self.options.total_timeout if whole else self.options.first_byte_timeout
        message = f"{name} did not begin to answer within {limit:g} s"
        return upstream_error(504, "upstream_timeout", message, UpstreamError)

    def checks(self) -> Sequence[Check]:
        """Return one check that is not critical: an upstream that fails makes the service degraded, never unready."""
        return (Check(self.name, self._health, critical=False),)

    async def _health(self) -> str | None:
        state = self.breaker.state
        return None if state == "closed" else f"the circuit breaker is {state}"


def _is_end_of_body(item: object) -> bool:
    return item is _END_OF_BODY


def _is_fault(error: Exception) -> bool:
    """Return whether the upstream is to blame: not for an answer that is merely long."""
    return isinstance(error, UpstreamError | StreamBrokenError) and not isinstance(error, AnswerTooSlowError)


def _is_server_error(head: object) -> bool:
    return isinstance(head, aiohttp.ClientResponse) and head.status >= 500
