"""What is done at the end of a process, wanted or not; installed only where a program asks for it."""

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._logging import Logging


class Hooks:
    """The last words of a program: uncaught exceptions are logged, and nothing that waits is lost to SIGTERM."""

    def __init__(self, target: "Logging") -> None:
        self._target = target
        self._excepthook = sys.excepthook
        self._thread_hook = threading.excepthook
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread
        self._mine: dict[int, tuple[Any, Any]] = {}  # by signal: what was there before, and what is there now
        if threading.current_thread() is threading.main_thread():
            self._handle(signal.SIGTERM, self._terminate)
            self._handle(signal.SIGHUP, self._reopen)

    def remove(self) -> None:
        """Put everything back, but for what somebody else has replaced since."""
        if sys.excepthook == self._uncaught:
            sys.excepthook = self._excepthook
        if threading.excepthook == self._uncaught_in_thread:
            threading.excepthook = self._thread_hook
        for number, (before, mine) in self._mine.items():
            if signal.getsignal(number) == mine:
                signal.signal(number, before)
        self._mine.clear()

    def _handle(self, number: int, handler: "Callable[[int, FrameType | None], None]") -> None:
        before = signal.getsignal(number)
        if before is not None and before != signal.SIG_IGN:  # None: it was set in C, and could not be put back
            self._mine[number] = (before, handler)
            signal.signal(number, handler)

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            self._target.get_logger("hxp_logging").critical("uncaught exception", exc_info=error)
        self._target.flush()
        self._excepthook(kind, error, trace)

    def _uncaught_in_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            name = args.thread.name if args.thread is not None else None
            log = self._target.get_logger("hxp_logging")
            log.critical("uncaught exception in a thread", thread=name, exc_info=args.exc_value)
        self._thread_hook(args)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._target.flush()
        before, _ = self._mine[number]
        if callable(before):
            before(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _reopen(self, number: int, frame: FrameType | None) -> None:
        self._target.reopen()
        before, _ = self._mine[number]
        if callable(before):
            before(number, frame)
