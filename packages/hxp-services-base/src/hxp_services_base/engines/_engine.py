"""What a model service expects of an engine, whichever program runs the transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hxp_schemas import ErrorInfo

from ..chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from .._admission import Permit
    from .._context import Context
    from .._health import Check


class EngineDownError(ServiceError):
    """The engine is not running, or it died while it answered."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            ErrorInfo(
                code="engine_unavailable",
                message=f"the model's engine is not available: {reason}; it is being restarted",
                status=503,
                retryable=True,
                retry_after=2.0,
            )
        )


@dataclass(frozen=True, slots=True)
class EngineStats:
    """An engine at a glance.

    Attributes:
        running: Requests that it works on now.
        restarts: How often it was started again after dying.
        pid: Its process, where it has one of its own.
        is_up: Whether it answers.
        reason: Why not, where it does not.
    """

    running: int
    restarts: int
    pid: int | None
    is_up: bool
    reason: str | None


class EngineResponse(Protocol):
    """An accepted request: its bytes, as they come."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in pieces of any size; raises `EngineDownError` when the engine dies before the end."""


class Engine(Protocol):
    """A program that runs a model and speaks the OpenAI protocol to us alone. Also a `Part`."""

    @property
    def name(self) -> str:
        """The part's name."""

    def open(self, context: Context) -> AbstractAsyncContextManager[Engine]:
        """Load the model; the engine is up when this is entered."""

    def checks(self) -> Sequence[Check]:
        """Is it up, and does it move."""

    def request(
        self, path: str, body: bytes, permit: Permit | None = None
    ) -> AbstractAsyncContextManager[EngineResponse]:
        """Send one request, for example to `/v1/chat/completions`; leaving the block aborts it.

        Args:
            path: Where to, in the OpenAI protocol.
            body: The request, validated.
            permit: The slots that it may use, and whose they are. No tenant may find out from the engine what
                another asks. Work that outlasts the block is told to `permit.keep_until`.

        Raises:
            ServiceError: What the engine refused, as the caller's error.
            EngineDownError: If it is not running.
        """

    def stats(self) -> EngineStats:
        """The engine at a glance."""
