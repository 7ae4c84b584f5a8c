"""Who calls, how urgent it is and how big: what admission is decided by."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._valid import not_negative

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Traits:
    """What policies know about the calls made inside their block, carried by a context variable.

    Attributes:
        tenant: Whom the call is for; the key of fair shares and of rate limits.
        priority: The higher, the later it is shed.
        cost: Its size, in the unit that budgets and limits count: 1 for calls, or tokens, or money.

    Example:
        >>> with Traits(tenant="acme", cost=800):
        ...     current_traits().cost
        800
    """

    tenant: str = ""
    priority: int = 0
    cost: float = 1.0

    def __post_init__(self) -> None:
        not_negative("cost", self.cost)
        if type(self.tenant) is not str:
            if not isinstance(self.tenant, str):
                raise ValueError(f"tenant must be text, not {self.tenant!r}")
            object.__setattr__(self, "tenant", str.__str__(self.tenant))  # a StrEnum, say: limits want plain text

    def __enter__(self) -> Self:
        _outside.set((_current.get(), _outside.get()))
        _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        outside = _outside.get()
        if outside is not None:  # else left in another context, in which nothing is to be restored
            _current.set(outside[0])
            _outside.set(outside[1])


_current: ContextVar[Traits] = ContextVar("hxp_traits", default=Traits())  # noqa: B039 (it is frozen)
_outside: ContextVar[tuple[Traits, Any] | None] = ContextVar("hxp_traits_outside", default=None)

traits_here = _current.get  # as `deadline_here`


def current_traits() -> Traits:
    """Return the traits of calls made here."""
    return _current.get()
