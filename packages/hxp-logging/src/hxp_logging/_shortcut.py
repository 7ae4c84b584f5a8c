"""The short way of a plain line: what `Logging.emit`, `JsonLine` and `FileSink` do for it, in one function.

A line is plain if its fields are flat and short, without braces in their texts, and neither names nor values give
anything away. The first such line of every tenth of a second, and every other line, takes the long way, which decides
everything; the short way writes the very same bytes, or leaves the line to it.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from sys import modules
from time import time_ns
from typing import TYPE_CHECKING, Any

from orjson import dumps

from ._context import CONTEXT, Context, span_context
from ._line import MAX_EVENT, PLAIN_ONLY, safe, stamp_of
from ._secret import LIMIT, suspect_nothing

if TYPE_CHECKING:
    from ._file import FileSink
    from ._line import JsonLine
    from ._logger import Channel, Say
    from ._sink import Door

_TENTH = 100_000_000  # nanoseconds
_FIRST, _LAST = 10**18, 1 << 63  # between them, nanoseconds since 1970 have 19 digits: from 2001 to 2262
_MICROS = slice(len("[1763899200.1") - 1, len("[1763899200.123456") - 1)
_BODY = slice(len("[1763899200123456789,{"), -len("}]"))
_BRACKET, _BRACE, _DELETE = b"[{\x7f"  # as numbers, which are found five times as fast
_MAX_HEADS = 1024


# Plain tuples, which are taken apart three times as fast as named ones. What the lines of one tenth of a second have in
# common: begin and end in nanoseconds since 1970, how they begin, and the search for secrets, if there is anything to
# hide. What the lines of one context have in common: itself, its fields, how they end, whether a trace is bound to it.
_Moment = tuple[int, int, bytes, Callable[[bytes], bool] | None]
_Place = tuple[Context | None, Mapping[str, Any], bytes, bool]
_NEVER: _Moment = (0, 0, b"", None)
_NOWHERE: _Place = (None, {}, b"", False)


class _Endless:
    """Stands where a file would be, for sinks that are never full."""

    descriptor = -1
    room = 1

    def seconds_to_look(self) -> float:
        """Nothing has to be looked at."""
        return 1.0


class Shortcut:
    """Writes plain lines to one door.

    Args:
        json: Knows what the long way would write.
        door: Where lines leave.
        file: What is behind the door, if that is a file which this process writes to directly.
        clock: Nanoseconds since 1970.
    """

    def __init__(
        self, json: "JsonLine", door: "Door", *, file: "FileSink | None" = None, clock: Callable[[], int] = time_ns
    ) -> None:
        self._json = json
        self.door = door
        self._file = file
        self._clock = clock
        self._sink = file or _Endless()
        self._heads: dict[tuple[str, int], dict[str, bytes]] = {}
        self._known = 0
        self.moment = _NEVER
        self.place = _NOWHERE
        json.secrets.on_change(self.forget)

    def way(self, channel: "Channel", level: int) -> "Say":  # noqa: C901 - a frame for each step costs a third more
        """Make the function that says something in a channel, at a level that is written."""
        heads = self._heads.setdefault((channel.name, level), {})
        shortcut, door, file, sink, put = self, self.door, self._file, self._sink, self.door.write_unguarded
        clock, context_of_task, is_open = self._clock, CONTEXT.get, self._json.cleaner.open_names.issuperset
        long_way, join = partial(channel.core.emit, channel, level), b"".join

        def say(event: str, fields: dict[str, Any]) -> None:
            try:
                line = None
                begin, until, stamp, is_suspect = shortcut.moment
                known, bound, tail, has_trace = shortcut.place
                now = clock()
                if (context := context_of_task()) is not known:
                    known, bound, tail, has_trace = shortcut.meet(context)
                if begin <= now < until and sink.room > 0 and not door.unsaid:
                    if bound:
                        fields = {**bound, **fields}
                    told = dumps((now, fields), None, PLAIN_ONLY)
                    body = told[_BODY]
                    if (
                        (has_trace or "opentelemetry.trace" not in modules or span_context() is None)
                        and _BRACE not in body
                        and _BRACKET not in body
                        and len(body) < LIMIT
                        and is_open(fields)
                        and not (is_suspect and is_suspect(body))
                    ):
                        body = body if body.isascii() and _DELETE not in body else safe(body)
                        line = join((stamp, told[_MICROS], heads[event], body, tail))
            except Exception:  # noqa: BLE001 - whatever it is, the long way deals with it
                line = None
            if line is None:
                long_way(event, fields)
                shortcut.learn(channel.name, level, event)
                return
            try:
                if file is None:
                    put(line, level)
                else:
                    written = os.write(file.descriptor, line)
                    file.room -= written
                    if written < len(line):
                        file.take_back(line[:written])
            except Exception:  # noqa: BLE001 - the program's work matters more than this line
                shortcut.lose()
                return
            door.written += 1  # no call in between, so under the interpreter's lock no other thread either

        return say

    def learn(self, name: str, level: int, event: str) -> None:
        """Prepare the short way for the next line like the one that has just gone the long way."""
        version = self._json.secrets.version
        begin, until, *_ = self.moment
        now = self._clock()
        if not begin <= now < until and _FIRST <= now < _LAST:
            self.moment = self._moment_of(now)
        heads = self._heads[name, level]
        if type(event) is str and event not in heads and len(event) <= MAX_EVENT:
            if self._known >= _MAX_HEADS:  # events that vary: begin anew rather than grow
                self._clear_heads()
            self._known += 1
            heads[event] = safe(self._json.head(name, level, event) + b"{")
        if version != self._json.secrets.version:  # a secret was registered meanwhile
            self.forget()

    def meet(self, context: Context) -> _Place:
        """Learn what the lines of a context have in common."""
        version = self._json.secrets.version
        tail = safe(b"}" + self._json.tail(context.tail))
        place = self.place = (context, context.fields, tail, context.trace is not None)
        if version != self._json.secrets.version:
            self.forget()
        return place

    def lose(self) -> None:
        """Count a line that could not be written, and let the long way look at what is the matter."""
        if self._file is not None:
            self._file.reopen()
        self.door.count_loss()

    def forget(self) -> None:
        """Learn everything anew: there are other secrets now."""
        self.moment, self.place = _NEVER, _NOWHERE
        self._clear_heads()

    def _moment_of(self, now: int) -> _Moment:
        second, tenth = divmod(now // _TENTH, 10)
        begin = now // _TENTH * _TENTH
        until = min(begin + _TENTH, now + int(self._sink.seconds_to_look() * 1e9))
        is_suspect = self._json.secrets.is_suspect
        stamp = b"%b%d" % (stamp_of(second), tenth)
        return begin, until, stamp, None if is_suspect is suspect_nothing else is_suspect

    def _clear_heads(self) -> None:
        self._known = 0
        for heads in list(self._heads.values()):
            heads.clear()
