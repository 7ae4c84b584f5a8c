"""A pool of connections to one upstream, with limits, time limits, a breaker, and errors of our own catalogue."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from hxp_resilience import (
    AttemptTimeoutError,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    RetriesExhaustedError,
    Retry,
    Timeout,
)
from hxp_schemas import ErrorInfo

from ._health import Check
from ._upstream import NotSentError, UpstreamError, upstream_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from hxp_resilience import CircuitPermit

    from ._context import Context
    from ._upstream import UpstreamOptions, UpstreamResponse


class _Response:
    """One response, from head to end; settles the breaker's permit exactly once."""

    def __init__(self, response: aiohttp.ClientResponse, permit: CircuitPermit, options: UpstreamOptions) -> None:
        self._response = response
        self._permit: CircuitPermit | None = permit
        self._options = options
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._idle_since = 0.0
        self._timed_out = False

    async def chunks(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        self._idle_since = loop.time()
        self._timer = loop.call_later(self._options.idle_timeout, self._check_idle, loop)
        try:
            async for chunk in self._response.content.iter_any():
                self._idle_since = loop.time()
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed()
            raise self._broken(error) from error
        finally:
            self._timer.cancel()

    def _check_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer per stream, armed anew when it fires: a chunk costs one assignment."""
        left = self._idle_since + self._options.idle_timeout - loop.time()
        if left <= 0:
            self._timed_out = True
            self._response.close()
        else:
            self._timer = loop.call_later(left, self._check_idle, loop)

    def _broken(self, error: Exception) -> UpstreamError:
        name, idle = self._options.name, self._options.idle_timeout
        if self._timed_out:
            return upstream_error(504, "upstream_timeout", f"{name} sent nothing for {idle:g} s", UpstreamError)
        if isinstance(error, TimeoutError):
            return upstream_error(
                504,
                "upstream_timeout",
                f"{name} took longer than {self._options.total_timeout:g} s",
                UpstreamError,
            )
        return upstream_error(502, "upstream_broke_off", f"{name} broke off in the middle of its answer", UpstreamError)

    async def read(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > self._options.max_body:
                self.failed()
                message = f"{self._options.name} answered with more than {self._options.max_body} bytes"
                raise upstream_error(502, "upstream_too_large", message, UpstreamError)
            parts.append(chunk)
        return b"".join(parts)

    def failed(self) -> None:
        if self._permit is not None:
            self._permit.failure()
            self._permit = None

    def close(self, *, completed: bool) -> None:
        """Give the connection back when the body was read to its end, else close it."""
        if self._permit is not None:
            if not completed:
                self._permit.release()
            elif self.status >= 500:
                self._permit.failure()
            else:
                self._permit.success()
            self._permit = None
        if completed and self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class UpstreamPool:
    """Connections to one upstream; the `Upstream` that the base class opens for each of its options.

    Args:
        options: How to reach it.
    """

    def __init__(self, options: UpstreamOptions) -> None:
        self.options = options
        self.name = f"upstream:{options.name}"
        self.breaker = CircuitBreaker(options.name)
        self._session: aiohttp.ClientSession | None = None
        self._connecting = Pipeline(Retry(attempts=options.connect_attempts, retry_on=NotSentError))
        self._first_byte = Pipeline(Timeout(options.first_byte_timeout))

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[UpstreamPool]:
        """Keep the pool until the block is left."""
        del context  # a pool needs nothing of it
        connector = aiohttp.TCPConnector(
            limit=self.options.max_connections, keepalive_timeout=self.options.keep_alive, ttl_dns_cache=30
        )
        timeout = aiohttp.ClientTimeout(total=self.options.total_timeout, connect=self.options.connect_timeout)
        authorisation = {"Authorization": f"Bearer {self.options.token}"} if self.options.token else {}
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers=authorisation,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as self._session:
            yield self
        self._session = None

    @asynccontextmanager
    async def request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[UpstreamResponse]:
        """Send one request; leaving the block early closes its connection, which aborts the work upstream.

        Raises:
            NotSentError: 502, when no connection came about.
            UpstreamError: 502 when it broke off, 503 while the breaker is open, 504 when it took too long.
        """
        try:
            response = await self._connecting.call(self._attempt, method, path, body, headers)
        except RetriesExhaustedError as error:
            raise error.__cause__ or error from None  # the last NotSentError: nothing else is tried again
        except CircuitOpenError as error:
            message = f"{self.options.name} has been failing and is given a rest; try again later"
            opened = ErrorInfo(
                code="upstream_unavailable",
                message=message,
                status=503,
                retryable=True,
                retry_after=error.retry_after,
            )
            raise UpstreamError(opened) from error
        completed = False
        try:
            yield response
            completed = True
        finally:
            response.close(completed=completed)

    async def _attempt(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None) -> _Response:
        assert self._session is not None, "the pool is not open"  # noqa: S101 - a programming error
        permit = self.breaker.acquire()
        name = self.options.name
        try:
            response = await self._first_byte.call(
                self._session.request,
                method,
                self.options.url + path,
                data=body,
                headers=headers,
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            permit.failure()
            raise upstream_error(
                502, "upstream_unreachable", f"{name} cannot be reached; try again", NotSentError
            ) from error
        except AttemptTimeoutError as error:
            permit.failure()
            message = f"{name} did not begin to answer within {self.options.first_byte_timeout:g} s"
            raise upstream_error(504, "upstream_timeout", message, UpstreamError) from error
        except aiohttp.ClientError as error:
            permit.failure()
            message = f"{name} closed the connection without an answer ({type(error).__name__})"
            raise upstream_error(502, "upstream_broke_off", message, UpstreamError) from error
        except BaseException:  # the client left: no verdict on the upstream
            permit.release()
            raise
        return _Response(response, permit, self.options)

    def checks(self) -> Sequence[Check]:
        """Not critical: an upstream that rests makes the service degraded, never unready."""
        return (Check(self.name, self._health, critical=False),)

    async def _health(self) -> str | None:
        state = self.breaker.state
        return None if state == "closed" else f"the circuit breaker is {state}"
