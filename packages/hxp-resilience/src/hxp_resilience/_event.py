"""What a policy tells to those who listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a policy did.

    Attributes:
        kind: What happened, as `policy.verb`: `retry.waiting`, `circuit.opened`, `bulkhead.refused`.
        policy: Name of the policy.
        detail: The event in words, without content of requests or answers.
        seconds: A duration that belongs to it, such as the wait before the next attempt.
        error: Type of the error that led to it.
        shadow: Whether the policy only watches: it would have done this, and did not.
    """

    kind: str
    policy: str
    detail: str = ""
    seconds: float | None = None
    error: str | None = None
    shadow: bool = False


class Hook(Protocol):
    """Anything that can be called with an `Event`; called in the middle of a call, so it must be quick."""

    def __call__(self, event: Event, /) -> None:
        """Take note of an event."""
        ...


def tell(hooks: Iterable[Hook], event: Event) -> None:
    """Hand an event to each hook; one that raises is written to the log `hxp_resilience` and harms no call."""
    for hook in hooks:
        try:
            hook(event)
        except Exception:  # whatever a hook does, the call goes on
            import logging  # noqa: PLC0415 (only a hook that fails pays for it)

            logging.getLogger("hxp_resilience").exception("a hook failed on %s", event.kind)
