"""What decides, line by line, while a level alone does not: rules of some requests, sampling, the flight recorder."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orjson import OPT_NON_STR_KEYS, OPT_SORT_KEYS, dumps

from ._context import CONTEXT
from ._level import level_number

if TYPE_CHECKING:
    from ._context import Context
    from ._level_file import LevelFile
    from ._levels import Levels
    from ._options import LoggingOptions
    from ._volume import Collapse, Sampler

Write = Callable[[float, int, str, str, dict[str, Any], "Context"], None]
_Place = tuple[str, int, str]
_Line = tuple[_Place, bytes]


class Gate:
    """Lets a line pass, keeps it, or leaves it out.

    Args:
        options: What is sampled, collapsed and recorded.
        write: Writes a line, past this gate.
        clock: Seconds since 1970.
        monotonic: Seconds, never set back.
    """

    def __init__(
        self,
        options: "LoggingOptions",
        *,
        write: Write,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._write = write
        self._clock = clock
        self._monotonic = monotonic
        self._recorded = level_number(options.recorder.level) if options.recorder else None
        self._sampled_up_to = level_number(options.sampling.up_to) if options.sampling else 0
        self._sampler, self._collapse = _machines(options)
        self.left_out = 0

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to decide besides levels."""
        return self._recorded is not None or self._sampler is not None or self._collapse is not None

    def lowest(self, level: int) -> int:
        """Return the lowest level that must come here, given the lowest that may be written."""
        return level if self._recorded is None else min(level, self._recorded)

    def admit(self, levels: "Levels", name: str, level: int, event: str, fields: dict[str, Any]) -> bool:
        """Tell whether a line is to be written now."""
        context = CONTEXT.get()
        if level < levels.exact(name, context.request_id, context.fields.get("tenant")):
            if context.flight is not None and self._recorded is not None and level >= self._recorded:
                context.flight.record(self._clock(), level, name, event, fields, context)
            return False
        if self._sampler is None and self._collapse is None:
            return True
        now = self._monotonic()
        self.tell(now)
        passes = self._passes((name, level, event), fields, now)
        self.left_out += not passes
        return passes

    def tell(self, now: float, *, force: bool = False) -> None:
        """Write what was left out, once that is known."""
        context = CONTEXT.get()
        if self._sampler is not None:
            for (name, level, event), count in self._sampler.ended(now, force=force):
                told = {"event": event, "left_out": count}
                self._write(self._clock(), level, name, "lines were left out", told, context)
        if self._collapse is not None:
            for ((name, level, event), _), count in self._collapse.ended(now, force=force):
                text = f"repeated {count} times" if count > 1 else "repeated once"
                self._write(self._clock(), level, name, text, {"event": event, "repeated": count}, context)

    def _passes(self, place: _Place, fields: dict[str, Any], now: float) -> bool:
        if self._collapse is not None and not self._collapse.admit((place, _fingerprint(fields)), now):
            return False
        return self._sampler is None or place[1] > self._sampled_up_to or self._sampler.admit(place, now)


def _machines(options: "LoggingOptions") -> "tuple[Sampler[_Place] | None, Collapse[_Line] | None]":
    sampling = options.sampling
    if sampling is None and options.collapse <= 0:
        return None, None
    from ._volume import Collapse, Sampler  # noqa: PLC0415 - few programs have storms of lines

    sampler = Sampler[_Place](first=sampling.first, then_one_in=sampling.then_one_in) if sampling else None
    return sampler, Collapse[_Line](window=options.collapse) if options.collapse > 0 else None


def _fingerprint(fields: dict[str, Any]) -> bytes:
    try:
        return dumps(fields, str, OPT_SORT_KEYS | OPT_NON_STR_KEYS)
    except TypeError:  # equal to nothing but itself
        return repr(sorted(fields)).encode("utf-8", "backslashreplace") + str(id(fields)).encode()


class SharedLevels:
    """The levels in force, in this process or, through a file, in all that share it.

    Args:
        base: The level where no rule says otherwise.
        file: Where rules are shared; None for this process alone.
        on_change: Called whenever other levels are in force.
    """

    def __init__(
        self, base: "Levels", file: "LevelFile | None", *, monotonic: Callable[[], float], on_change: Callable[[], None]
    ) -> None:
        self.now = base
        self._file = file
        self._monotonic = monotonic
        self._on_change = on_change
        self._next_end = float("inf")

    @property
    def are_plain(self) -> bool:
        """Whether a logger's name alone decides, until this process says otherwise."""
        return self._file is None and self.now.is_plain

    def change(self, to: Callable[["Levels"], "Levels"]) -> None:
        """Put other levels in force, here and in every process that shares the file.

        Raises:
            OSError: The file cannot be written.
        """
        if self._file is None:
            self._put(to(self.now))
            return
        base = self.now
        self._file.change(lambda rules: to(base.with_rules(rules).at(self._monotonic())).rules)
        self.refresh(throttled=False)

    def refresh(self, *, throttled: bool = True) -> None:
        """Take over what other processes have set, and let go of what is over."""
        now = self._monotonic()
        if self._file is not None:
            rules = self._file.poll(now, throttled=throttled)
            if rules is not None:
                self._put(self.now.with_rules(rules).at(now))
        if now >= self._next_end:
            self._put(self.now.at(now))

    def _put(self, levels: "Levels") -> None:
        self.now = levels
        self._next_end = levels.next_end
        self._on_change()
