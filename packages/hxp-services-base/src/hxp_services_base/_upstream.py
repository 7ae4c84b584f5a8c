"""Where requests are sent on to: how to reach it, what it answers, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hxp_schemas import ErrorInfo

from .chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """How to reach one upstream.

    Attributes:
        name: For logs, metrics and health.
        url: Its base URL, for example `"http://127.0.0.1:11400"`.
        token: What it wants as a bearer token; never printed.
        max_connections: Connections at once; as many requests again wait for one, for `connect_timeout` at the most.
        keep_alive: Seconds to keep an idle connection; shorter than the upstream does, so that we close first.
        connect_timeout: Seconds to get a connection.
        first_byte_timeout: Seconds from the request to the response's head, where the answer is not made whole first.
        idle_timeout: Seconds between two pieces of a body.
        total_timeout: Seconds for everything.
        connect_attempts: How often to try to connect; nothing is ever sent twice.
        max_body: Bytes of a whole (not streamed) body.
    """

    name: str
    url: str
    token: str = field(default="", repr=False)
    max_connections: int = 256
    keep_alive: float = 30.0
    connect_timeout: float = 2.0
    first_byte_timeout: float = 60.0
    idle_timeout: float = 30.0
    total_timeout: float = 600.0
    connect_attempts: int = 2
    max_body: int = 32 * 1024 * 1024


class UpstreamError(ServiceError):
    """The upstream did not answer as it should; the caller sees a 502, 503 or 504."""


class NotSentError(UpstreamError):
    """No connection came about, so nothing was sent and trying again is safe."""


class AnswerTooSlowError(UpstreamError):
    """The whole answer took longer than the total time; that alone says nothing about the upstream's health."""


class UpstreamResponse(Protocol):
    """The head of a response, and its body as it comes."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The response headers; names in any case."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in pieces of any size; raises `UpstreamError` when it breaks off or stands still."""

    async def read(self) -> bytes:
        """The whole body, bounded; raises `UpstreamError`."""

    def failed(self) -> None:
        """Tell the breaker that this answer was a failure after all, for example a stream without its end."""


class Upstream(Protocol):
    """Anything that requests can be sent to. Also a `Part`."""

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        whole: bool = False,
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Send one request; leaving the block early closes its connection, which aborts the work upstream.

        With `whole`, the head comes only when the whole answer is made, and may take the total time.
        """


def upstream_error(status: int, code: str, message: str, kind: type[UpstreamError]) -> UpstreamError:
    """An error of ours for something that the upstream did; trying again later may help."""
    return kind(ErrorInfo(code=code, message=message, status=status, retryable=True, retry_after=1.0))
