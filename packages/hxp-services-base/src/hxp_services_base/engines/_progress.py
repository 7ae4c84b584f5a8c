"""Signs of life of an engine, looked for once a second: a pure record."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_LOOK = 5.0
_SHORTEST_LOOK = 1.0
_SILENT = 0.4
"""Part of the stall time after which a silent engine is not ready: longer than the longest look that is answered."""
_OWN_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of this process, not of the engine: they leave open whether it moves."""


class Progress:
    """How long an engine has not answered.

    Each look adds its own length at the most. So a pause of the process that looks, stopped or starved, is no silence
    of the engine: it has the chance to answer the next look.

    Args:
        stall_timeout: Seconds of silence after which it is stuck.
        pause: Seconds between two looks.
        clock: Monotonic seconds.

    Example:
        >>> now = 0.0
        >>> progress = Progress(20.0, pause=1.0, clock=lambda: now)
        >>> now = 100.0
        >>> progress.silence, progress.is_silent, progress.is_stuck
        (6.0, False, False)
    """

    def __init__(self, stall_timeout: float, *, pause: float, clock: Callable[[], float]) -> None:
        self._stall_timeout = stall_timeout
        self._pause = pause
        self._clock = clock
        self._unanswered = 0.0
        self.answered()

    def answered(self) -> None:
        """Note an answer, or that the engine is a new one."""
        self.moved_at = self._since = self._clock()
        self._unanswered = 0.0

    def failed(self, error: Exception) -> None:
        """Note a look that was not answered."""
        own = {getattr(error, "errno", None), getattr(error.__cause__, "errno", None)} & _OWN_ERRORS
        if not own:
            self._unanswered = self.silence
        self._since = self._clock()

    @property
    def look_limit(self) -> float:
        """Seconds that the next look may take: the last one ends when the engine is stuck."""
        left = self._stall_timeout - self._unanswered - self._pause
        return min(_LONGEST_LOOK, max(_SHORTEST_LOOK, left))

    @property
    def silence(self) -> float:
        """Seconds without an answer, as far as they were looked for."""
        return self._unanswered + min(self._clock() - self._since, self._pause + self.look_limit)

    @property
    def is_silent(self) -> bool:
        """Whether it does not answer for longer than it should, so that it is not ready."""
        return self.silence > max(self._stall_timeout * _SILENT, 2 * self._pause)

    @property
    def is_stuck(self) -> bool:
        """Whether its looks were in vain for the whole stall time."""
        return self._unanswered >= self._stall_timeout
