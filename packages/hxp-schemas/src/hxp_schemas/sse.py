"""Server-sent events: a decoder that takes any split of the bytes, and an encoder.

The grammar is that of https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from dataclasses import dataclass, field

__all__ = ["DONE", "SSEDecoder", "SSEError", "SSEEvent", "encode"]

DONE: bytes = b"data: [DONE]\n\n"
"""The frame that ends an OpenAI stream."""

_ENDS = frozenset("\r\n\0")


class SSEError(ValueError):
    """The stream broke a limit, or an event cannot be written.

    Attributes:
        offset: Where the event began that broke the limit, in bytes from the start of the stream.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (byte {offset})")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class SSEEvent:
    """One event; `retry` is in milliseconds, as the specification has it.

    Attributes:
        offset: Where the event began, in bytes from the start of the stream, if a decoder made it.
    """

    data: str
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    offset: int | None = field(default=None, compare=False, repr=False)


class SSEDecoder:
    r"""Turns bytes, however they were split, into events.

    Args:
        max_line: Bytes that one line may have.
        max_event: Bytes that the data of one event may have.

    Example:
        >>> SSEDecoder().feed(b"data: hello\n\n")
        [SSEEvent(data='hello', event=None, id=None, retry=None)]
    """

    def __init__(self, *, max_line: int = 1 << 20, max_event: int = 4 << 20) -> None:
        self._max_line = max_line
        self._max_event = max_event
        self._line: list[bytes] = []  # the pieces of a line that has not ended yet
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._event: str | None = None
        self._id: str | None = None
        self._retry: int | None = None
        self._after_cr = False
        self._at_start = True
        self._stopped: SSEError | None = None  # why nothing more is taken
        self._position = 0  # bytes taken so far
        self._start = 0  # of the first byte after the last event

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Take the next bytes and return the events that they complete.

        Raises:
            SSEError: A line or an event is too long, or the decoder is closed. Events that were complete before
                are returned first; the next call raises.
        """
        if self._stopped is not None:
            raise self._stopped
        if self._after_cr and data:
            if data.startswith(b"\n"):  # the second half of a CRLF that was split
                data = data[1:]
                self._start += self._start == self._position
                self._position += 1
            self._after_cr = False
        events: list[SSEEvent] = []
        try:
            for piece in data.splitlines(keepends=True):
                line = self._complete(piece)
                self._position += len(piece)
                if line is not None and (event := self._take(line)):
                    events.append(event)
        except SSEError as error:
            self._stopped = error
            if not events:
                raise
        self._after_cr = data.endswith(b"\r")
        return events

    def close(self) -> bool:
        """End the stream; an unfinished event is dropped, as the specification asks.

        Returns:
            Whether the stream ended cleanly, between two events.
        """
        clean = self._stopped is None and not self._line and not self._data
        self._stopped = self._stopped or SSEError("the decoder is closed")
        self._line.clear()
        self._data.clear()
        return clean

    def _complete(self, piece: bytes) -> bytes | None:
        """Add a piece to the current line; return the line if the piece ends it."""
        body = piece.rstrip(b"\r\n")
        self._line_size += len(body)
        if self._line_size > self._max_line:
            raise SSEError(f"a line of more than {self._max_line} bytes", self._start)
        if len(body) == len(piece):
            self._line.append(piece)
            return None
        if self._line:
            body = b"".join(self._line) + body
            self._line.clear()
        self._line_size = 0
        return body

    def _take(self, line: bytes) -> SSEEvent | None:
        if self._at_start:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._at_start = False
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data_size += len(value) + 1
            if self._data_size > self._max_event:
                raise SSEError(f"an event of more than {self._max_event} bytes", self._start)
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit() and len(value) < 16:
            self._retry = int(value)
        return None

    def _dispatch(self) -> SSEEvent | None:
        data, event, retry, offset = self._data, self._event, self._retry, self._start
        self._start = self._position
        self._data, self._data_size, self._event = [], 0, None
        if not data:
            return None
        self._retry = None  # one that came alone is told with the next event
        return SSEEvent(b"\n".join(data).decode(errors="replace"), event, self._id, retry, offset)


def encode(
    data: bytes | str,
    event: str | None = None,
    *,
    id: str | None = None,  # noqa: A002 - the name of the field
    retry: int | None = None,
) -> bytes:
    r"""Write one event; what `SSEDecoder` returns for it is the same again.

    Args:
        data: The payload; each of its lines becomes a `data:` line.
        event: The event's name.
        id: What a client that reconnects sends as `Last-Event-ID`.
        retry: Milliseconds that a client waits before it reconnects.

    Raises:
        SSEError: The name or the id holds what would end it, or text cannot be written as UTF-8.

    Example:
        >>> encode("hi", event="greeting")
        b'event: greeting\ndata: hi\n\n'
    """
    payload = _utf8(data) if isinstance(data, str) else data
    if b"\n" in payload or b"\r" in payload:
        payload = payload.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    frame = b"data: " + payload + b"\n\n"
    if event is None and id is None and retry is None:
        return frame
    fields = [("event", event), ("id", id), ("retry", None if retry is None else str(retry))]
    return b"".join([_field(name, text) for name, text in fields if text is not None]) + frame


def _field(name: str, text: str) -> bytes:
    if not _ENDS.isdisjoint(text) or (name == "retry" and not text.isdigit()):
        raise SSEError(f"the field {name!r} of an event cannot be {text!r}: a line break, NUL or sign is in it")
    return _utf8(f"{name}: {text}\n")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise SSEError("a lone surrogate cannot be written as UTF-8") from error
