"""Watching an OpenAI event stream go by without re-encoding it.

The bytes pass untouched, cut only between events, so that an error can always be told in between. Most events are
recognised by a substring search and never parsed: a string inside JSON cannot hold an unescaped quotation mark, so
`"usage":{` found in an event is the field and not somebody's text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

MAX_EVENT = 1024 * 1024
"""Bytes after which an event without an end is garbage."""

_END_OF_EVENT = b"\n\n"
_DONE = b"data: [DONE]"


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
        completion: Tokens of the answer.
        is_exact: Whether the engine said so, or we counted events.
    """

    prompt: int
    completion: int
    is_exact: bool


class StreamTap:
    r"""Sees an OpenAI event stream in pieces of any size.

    Args:
        strip_usage: Leave out the usage-only event at the end, for a client that did not ask for it.

    Example:
        >>> tap = StreamTap()
        >>> tap.feed(b'data: {"choices":[{"finish_re')
        b''
        >>> tap.feed(b'ason":"stop"}]}\n\ndata: [DONE]\n\n').count(b"data:")
        2
        >>> tap.end
        <StreamEnd.COMPLETE: 'complete'>
    """

    def __init__(self, *, strip_usage: bool = False) -> None:
        self._strip_usage = strip_usage
        self._pending = b""
        self._finished = False
        self.done = False
        """Whether `[DONE]` went by."""
        self._usage: dict[str, Any] | None = None
        self.error: dict[str, Any] | None = None
        """The error that the upstream told inside the stream."""
        self.content_events = 0
        """Events that carried content."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; what may be sent on: whole events only.

        Raises:
            GarbageStreamError: If an event has no end within `MAX_EVENT` bytes.
        """
        data = self._pending + chunk if self._pending else chunk
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        cut = data.rfind(_END_OF_EVENT)
        if cut < 0:
            if len(data) > MAX_EVENT:
                raise GarbageStreamError(f"an event is longer than {MAX_EVENT} bytes")
            self._pending = data
            return b""
        whole, self._pending = data[: cut + 2], data[cut + 2 :]
        kept = [event for event in whole.split(_END_OF_EVENT) if event and self._see(event)]
        return _END_OF_EVENT.join(kept) + _END_OF_EVENT if kept else b""

    def _see(self, event: bytes) -> bool:
        """Take notice of one event; whether it is to be sent on."""
        if event.startswith(_DONE):
            self.done = True
            return True
        if not event.startswith(b"data:"):
            return True
        telling = b'"usage"' in event or (b'"finish_reason"' in event and b'"finish_reason":null' not in event)
        if telling or event.startswith(b'data: {"error"') or b'"choices"' not in event:
            return self._read(event)
        self.content_events += 1
        return True

    def _read(self, event: bytes) -> bool:
        try:
            document = orjson.loads(event[5:].strip())
        except orjson.JSONDecodeError:
            return True  # one bad line does not kill a good stream; a missing end still shows
        if not isinstance(document, dict):
            return True
        if isinstance(error := document.get("error"), dict):
            self.error = error
        choices = document.get("choices") or []
        if any(isinstance(choice, dict) and choice.get("finish_reason") for choice in choices):
            self._finished = True
        elif choices:
            self.content_events += 1
        if isinstance(usage := document.get("usage"), dict):
            self._usage = usage
            return bool(choices) or not self._strip_usage
        return True

    @property
    def end(self) -> StreamEnd:
        """How the stream stands: without a finish reason and `[DONE]` it is not complete."""
        if self.error is not None:
            return StreamEnd.ERROR
        return StreamEnd.COMPLETE if self._finished and self.done else StreamEnd.OPEN

    @property
    def tokens(self) -> TokenCount:
        """Tokens so far: the engine's own count where it gave one, else one for each content event."""
        if self._usage is None:
            return TokenCount(0, self.content_events, is_exact=False)
        return token_count(self._usage)


def token_count(usage: dict[str, Any] | None) -> TokenCount:
    """The tokens of an OpenAI usage object; zero where it is missing or malformed."""
    if not isinstance(usage, dict):
        return TokenCount(0, 0, is_exact=False)
    prompt, completion = (usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
    return TokenCount(
        prompt if isinstance(prompt, int) and prompt >= 0 else 0,
        completion if isinstance(completion, int) and completion >= 0 else 0,
        is_exact=True,
    )
