"""Errors told once, counted exactly."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from threading import RLock
from typing import TYPE_CHECKING

from ._valid import not_negative, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class ErrorReporterOptions:
    """How much is told.

    Attributes:
        first: Occurrences of an error that are told one by one.
        interval: Seconds that lie at least between two more of them.
        max_errors: Different errors that are remembered; the one not seen for longest is forgotten.
    """

    first: int = 3
    interval: float = 60.0
    max_errors: int = 1000

    def __post_init__(self) -> None:
        whole("first", self.first, least=1)
        whole("max_errors", self.max_errors, least=1)
        not_negative("interval", self.interval)


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """One error, as it stands now.

    Attributes:
        fingerprint: The same for errors of the same type from the same place, with the same causes.
        type: Qualified name of the error's type.
        where: Function and line where it was raised.
        context: What was going on, in the words of the program.
        count: Occurrences so far, this one included.
        untold: Occurrences since the last report that was handed on.
        error: The last occurrence itself.
    """

    fingerprint: str
    type: str
    where: str
    context: str
    count: int
    untold: int
    error: BaseException


@dataclass(slots=True)
class _Seen:
    count: int = 0
    told: int = 0
    told_at: float = float("-inf")


class ErrorReporter:
    """Tells hooks of errors: each kind a few times and then now and then, and counts every one.

    Two errors are the same when their types, the places that raised them and their causes are; messages do not
    matter, since they hold ids and times. Safe to share between threads and tasks.

    Args:
        hooks: Who is told; one that raises is passed over.
        options: How much is told.
        clock: Monotonic clock.

    Example:
        >>> told = []
        >>> reporter = ErrorReporter([told.append])
        >>> for number in range(100):
        ...     try:
        ...         raise ConnectionError(number)
        ...     except ConnectionError as error:
        ...         reporter.report(error, "asking the model")
        >>> len(told), reporter.total
        (3, 100)
    """

    def __init__(
        self,
        hooks: Sequence[Callable[[ErrorReport], object]] = (),
        options: ErrorReporterOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options or ErrorReporterOptions()
        self._hooks = tuple(hooks)
        self._clock = clock
        self._lock = RLock()  # one that a finalizer may enter again
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._total = self._forgotten = self._failed_hooks = 0

    @property
    def total(self) -> int:
        """Errors reported since the start."""
        return self._total

    @property
    def forgotten(self) -> int:
        """Those of the total whose kind has been forgotten since."""
        return self._forgotten

    @property
    def failed_hooks(self) -> int:
        """How often a hook raised."""
        return self._failed_hooks

    def counts(self) -> dict[str, int]:
        """Return the occurrences of each error that is remembered, by fingerprint; with `forgotten` they are all."""
        with self._lock:
            return {fingerprint: seen.count for fingerprint, seen in self._seen.items()}

    def report(self, error: BaseException, context: str = "") -> None:
        """Count an error, and tell the hooks if it is time to."""
        fingerprint, where = _identify(error)
        now = self._clock()
        with self._lock:
            self._total += 1
            seen = self._seen.setdefault(fingerprint, _Seen())
            self._seen.move_to_end(fingerprint)
            seen.count += 1
            if len(self._seen) > self.options.max_errors:
                _, oldest = self._seen.popitem(last=False)
                self._forgotten += oldest.count
            if seen.count > self.options.first and now - seen.told_at < self.options.interval:
                return
            untold, seen.told, seen.told_at = seen.count - seen.told - 1, seen.count, now
            count = seen.count
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        report = ErrorReport(fingerprint, kind, where, context, count, untold, error)
        for hook in self._hooks:
            try:
                hook(report)
            except Exception:  # noqa: BLE001 (reporting an error must not make another; it is counted)
                self._failed_hooks += 1


def _identify(error: BaseException) -> tuple[str, str]:
    """Return the fingerprint, and where the error was raised."""
    parts: list[str] = []
    where = ""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen and len(seen) < 10:
        seen.add(id(at))
        place = _place(at)
        where = where or place
        parts.append(f"{type(at).__module__}.{type(at).__qualname__} {place}")
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return blake2b("\n".join(parts).encode(), digest_size=8).hexdigest(), where


def _place(error: BaseException) -> str:
    traceback = error.__traceback__
    if traceback is None:
        return "nowhere"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"{traceback.tb_frame.f_globals.get('__name__', '?')}.{code.co_qualname}:{traceback.tb_lineno}"
