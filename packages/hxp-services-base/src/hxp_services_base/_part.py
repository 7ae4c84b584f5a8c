"""What a service is composed of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from ._context import Context
    from ._health import Check


class Part(Protocol):
    """One thing that is opened at start and closed at stop: a pool, a store, an engine.

    Parts open in the order in which the service enters them and close in reverse, also when start fails half-way.
    """

    @property
    def name(self) -> str:
        """Unique within the service; names the part in logs and health."""

    def open(self, context: Context) -> AbstractAsyncContextManager[Any]:
        """The part's life: entered at start, left at stop."""

    def checks(self) -> Sequence[Check]:
        """The part's contribution to health."""
