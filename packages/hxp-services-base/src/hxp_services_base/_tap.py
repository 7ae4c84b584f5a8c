"""Watching an OpenAI event stream go by: its tokens are counted, its end is judged, its events pass as they came.

A plain event, one `data:` line of a delta, is recognized by substring searches and never parsed: a string inside JSON
cannot hold an unescaped quotation mark, so `"usage"` found in an event is the field and not somebody's text. Once one
is known, those that differ from it in their text alone are recognized by their beginning and end.
Every other legal framing (fields in any order, comments, CR, CRLF, a byte order mark, data over several lines) is read
by the decoder of `hxp_schemas.sse`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
from hxp_schemas import sse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_EVENT = 1024 * 1024
"""Bytes after which an event without an end is garbage."""
MAX_TOKENS = 2**31 - 1
"""Tokens of one request that an upstream's count is believed up to; no request can have more."""

_MAX_CHOICES = 128
_END_OF_EVENT = b"\n\n"
_NO_FRAME = (_END_OF_EVENT, _END_OF_EVENT)
"""The surroundings of no event."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class StreamEnd(StrEnum):
    """How a stream ended, as far as the tap has seen."""

    OPEN = "open"
    COMPLETE = "complete"
    ERROR = "error"


class GarbageStreamError(ValueError):
    """The upstream's bytes are no event stream; the message says why."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of one request.

    Attributes:
        prompt: Tokens of the prompt.
        completion: Tokens of the answer, of all its choices together.
        is_exact: Whether the engine counted them; else events were counted, each of which holds a token at least.
    """

    prompt: int
    completion: int
    is_exact: bool


class StreamTap:
    r"""Sees an OpenAI event stream in pieces of any size.

    Usage is passed on as one event at the end: llama.cpp sends one for each choice, which are summed up.

    Args:
        strip_usage: Leave out the usage event, for a client that did not ask for it.

    Example:
        >>> tap = StreamTap()
        >>> tap.feed(b'data: {"choices":[{"index":0,"finish_re')
        b''
        >>> tap.feed(b'ason":"stop"}]}\n\ndata: [DONE]\n\n').count(b"data:")
        2
        >>> tap.end
        <StreamEnd.COMPLETE: 'complete'>
    """

    def __init__(self, *, strip_usage: bool = False) -> None:
        self._strip_usage = strip_usage
        self._pending: list[bytes] = []  # pieces of an event that has not ended
        self._pending_size = 0
        self._decoder: sse.SSEDecoder | None = None  # once a carriage return has been seen
        self._started = False
        self._frame = _NO_FRAME
        self._ended = False
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._usages: list[dict[str, Any]] = []  # of events that hold nothing else
        self._usage_of_choice: dict[int, dict[str, Any]] = {}
        self._usage_event: tuple[dict[str, Any], bytes] | None = None  # the last of them, as it came
        self.done = False
        """Whether `[DONE]` went by."""
        self.error: dict[str, Any] | None = None
        """The error that the upstream reported inside the stream."""
        self.content_events = 0
        """Events that carried content."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and return what may be sent on: whole events only.

        Raises:
            GarbageStreamError: If an event has no end within `MAX_EVENT` bytes.
        """
        if self.done:
            return b""  # nothing follows the end
        if self._decoder is not None:
            return self._decode(self._decoder, chunk)
        if self._started and not _ends_event(self._pending, chunk):
            self._keep(chunk)
            return b""
        data = self._taken() + chunk
        if not self._started:
            if len(data) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(data):
                self._keep(data)
                return b""
            data = data.removeprefix(_BYTE_ORDER_MARK)
            self._started = True
        if b"\r" in data:
            self._decoder = sse.SSEDecoder(max_line=MAX_EVENT, max_event=MAX_EVENT)
            return self._decode(self._decoder, data)
        whole, end, rest = data.rpartition(_END_OF_EVENT)
        self._keep(rest)
        return self._passed(whole.split(_END_OF_EVENT)) if end else b""

    def _keep(self, piece: bytes) -> None:
        self._pending_size += len(piece)
        if self._pending_size > MAX_EVENT:
            raise GarbageStreamError(f"an event is longer than {MAX_EVENT} bytes")
        if piece:
            self._pending.append(piece)

    def _taken(self) -> bytes:
        """Return what was kept, which is kept no longer."""
        pieces, self._pending, self._pending_size = self._pending, [], 0
        return b"".join(pieces)

    def finish(self) -> bytes:
        """Take the end of the bytes and return what is still to be sent on.

        That is a last event without its blank line, the usage event, and `[DONE]` where a complete answer had none.
        """
        rest = self._taken()
        tail = b""
        if self._decoder is not None:
            tail = self._decode(self._decoder, b"\n\n")
        elif rest.startswith(b"data:") and _is_whole(rest[5:].strip()):
            tail = self._passed([rest])
        self._ended = True
        if self.end is StreamEnd.COMPLETE and not self.done:
            self.done = True
            return tail + self._usage_frame() + sse.DONE
        return tail

    def _passed(self, blocks: Iterable[bytes]) -> bytes:
        """Take notice of event blocks and return those that are to be sent on, with their blank lines."""
        kept: list[bytes] = []
        plain = 0
        head, tail = self._frame
        shortest = len(head) + len(tail)
        for block in blocks:
            if self.done:
                break
            if len(block) > shortest and block.startswith(head) and block.endswith(tail):
                text = block[len(head) : -len(tail)]
                if b'"' not in text and b"\\" not in text and b"\n" not in text:
                    plain += 1
                    kept.append(block)
                    continue
            if _is_plain_delta(block):
                plain += b'"role"' not in block or not _has_empty_content(block)
                kept.append(block)
                head, tail = self._frame = _frame_of(block)
                shortest = len(head) + len(tail)
            elif block and (passed := self._pass(block.strip(b"\n"))):
                kept.append(passed.removesuffix(_END_OF_EVENT))
        if plain:
            self._seen.add(0)
            self.content_events += plain
        return _END_OF_EVENT.join([*kept, b""]) if kept else b""

    def _pass(self, block: bytes) -> bytes:
        if block.startswith(b"data:") and b"\n" not in block:
            return self._see(block[5:].strip(), None, block + _END_OF_EVENT)
        (*events,) = sse.SSEDecoder(max_line=MAX_EVENT, max_event=MAX_EVENT).feed(block + _END_OF_EVENT)
        if not events:
            return block + _END_OF_EVENT  # a comment: it keeps the connection alive
        return self._see(events[0].data.encode(), events[0].event, block + _END_OF_EVENT)

    def _decode(self, decoder: sse.SSEDecoder, data: bytes) -> bytes:
        """Read framing that cannot be cut by a search, and return it in the plain one."""
        try:
            events = decoder.feed(data)
        except sse.SSEError as error:
            raise GarbageStreamError(str(error)) from error
        frames = (
            self._see(event.data.encode(), event.event, sse.encode(event.data, event.event, id=event.id))
            for event in events
            if not self.done
        )
        return b"".join(frames)

    def _see(self, payload: bytes, name: str | None, frame: bytes) -> bytes:
        """Take notice of one event and return what is to be sent on of it."""
        if payload == b"[DONE]":
            self.done = True
            # An end without a finish reason is none: whoever judges it says so first.
            return b"" if self.end is StreamEnd.OPEN else self._usage_frame() + frame
        return self._read(payload, name, frame)

    def _read(self, payload: bytes, name: str | None, frame: bytes) -> bytes:
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError:
            if name == "error":
                self.error = {"message": payload[:1000].decode(errors="replace")}
            return frame  # one bad line does not kill a good stream; a missing end still shows
        if not isinstance(document, dict):
            return frame
        error = document.get("error") or (document if name == "error" or document.get("object") == "error" else None)
        if error:
            self.error = error if isinstance(error, dict) else {"message": str(error)[:1000]}
        listed = document.get("choices")
        if listed is not None and not isinstance(listed, list):
            raise GarbageStreamError("the choices of an event are no list")
        choices = [choice for choice in listed or () if isinstance(choice, dict)]
        for choice in choices:
            self._read_choice(choice)
        usage = document.get("usage")
        if not isinstance(usage, dict):
            return frame
        if choices:
            self._usage_of_choice[_index(choices[0])] = usage
            return frame
        if len(self._usages) >= _MAX_CHOICES:
            self._usages.pop()
        self._usages.append(usage)
        self._usage_event = document, frame
        return b""

    def _read_choice(self, choice: dict[str, Any]) -> None:
        index = _index(choice)
        self._seen.add(index)
        if choice.get("finish_reason"):
            self._finished.add(index)
        delta = choice.get("delta")
        held = delta if isinstance(delta, dict) else {"text": choice.get("text")}
        self.content_events += any(value for key, value in held.items() if key != "role")

    def _usage_frame(self) -> bytes:
        """Return the one usage event, unless nobody wants it or it has been sent."""
        event, self._usage_event = self._usage_event, None
        if event is None or self._strip_usage:
            return b""
        document, frame = event
        if not self._is_usage_per_choice:
            return frame
        return sse.encode(orjson.dumps({**document, "usage": summed_usage(self._usages)}))

    @property
    def _is_usage_per_choice(self) -> bool:
        return 1 < len(self._usages) == len(self._seen)

    @property
    def end(self) -> StreamEnd:
        """How the stream stands: complete once every choice has a finish reason, and `[DONE]` or the end has come."""
        if self.error is not None:
            return StreamEnd.ERROR
        finished = bool(self._finished) and self._finished >= self._seen
        return StreamEnd.COMPLETE if finished and (self.done or self._ended) else StreamEnd.OPEN

    @property
    def tokens(self) -> TokenCount:
        """Tokens so far: the engine's own count where it gave one, else one for each content event."""
        usages = self._usages if self._is_usage_per_choice else self._usages[-1:]
        usages = usages or list(self._usage_of_choice.values())
        counts = [token_count(usage) for usage in usages]
        is_counted = bool(counts) and all(count.is_exact for count in counts)
        if not is_counted or (self.content_events and not any(count.completion for count in counts)):
            return TokenCount(0, self.content_events, is_exact=False)
        # Every choice answers the same prompt, which is counted once.
        return TokenCount(
            max(count.prompt for count in counts), sum(count.completion for count in counts), is_exact=True
        )


def _ends_event(pending: list[bytes], chunk: bytes) -> bool:
    """Return whether a chunk may end an event: by a blank line in it, begun before it, or by carriage returns."""
    across = bool(pending) and pending[-1].endswith(b"\n") and chunk.startswith(b"\n")
    return across or _END_OF_EVENT in chunk or b"\r" in chunk


def _is_plain_delta(block: bytes) -> bool:
    """Return whether an event is one unfinished delta of the first choice, and nothing else."""
    return (
        (b'"finish_reason":null' in block or b'"finish_reason": null' in block)
        and (b'"index":0' in block or b'"index": 0' in block)
        and block.startswith(b"data:")
        and b"\n" not in block
        and block.count(b'"finish_reason"') == 1
        and (b'"usage"' not in block or b'"usage":null' in block or b'"usage": null' in block)
        and b'"error"' not in block
        and b"\\u00" not in block  # a key may be spelled with escapes
    )


def _frame_of(block: bytes) -> tuple[bytes, bytes]:
    """Return what surrounds the text of a plain delta: the next ones are like it but for their text."""
    head, found, rest = block.partition(b'"content":"')
    text, quote, tail = rest.partition(b'"')
    if not found or not quote or b"\\" in text:
        return _NO_FRAME
    return head + found, quote + tail


def _has_empty_content(frame: bytes) -> bool:
    return (
        b'"content":null' in frame
        or b'"content":""' in frame
        or b'"content": null' in frame
        or b'"content": ""' in frame
    )


def _index(choice: dict[str, Any]) -> int:
    index = choice.get("index", 0)
    return index if type(index) is int and 0 <= index < _MAX_CHOICES else 0


def _is_whole(payload: bytes) -> bool:
    """Return whether the data of an event is all there, although its blank line is not."""
    try:
        return payload == b"[DONE]" or isinstance(orjson.loads(payload), dict)
    except orjson.JSONDecodeError:
        return False


def summed_usage(usages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one usage object for those of several choices, which answer one prompt."""
    counts = [token_count(usage) for usage in usages]
    prompt, completion = max(count.prompt for count in counts), sum(count.completion for count in counts)
    sums = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**usages[0], **sums}


def token_count(usage: object) -> TokenCount:
    """Return the tokens of an OpenAI usage object; inexact where it is missing, malformed, or beyond belief."""
    if not isinstance(usage, dict):
        return TokenCount(0, 0, is_exact=False)
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if completion is None and usage.get("total_tokens", prompt) == prompt:
        completion = 0  # embeddings have no answer to count
    if type(prompt) is not int or type(completion) is not int:
        return TokenCount(0, 0, is_exact=False)
    if not (0 <= prompt <= MAX_TOKENS and 0 <= completion <= MAX_TOKENS):
        return TokenCount(0, 0, is_exact=False)
    return TokenCount(prompt, completion, is_exact=True)
