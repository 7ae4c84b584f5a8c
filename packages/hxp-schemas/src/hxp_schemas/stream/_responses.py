"""The protocol of a Responses stream, as a state machine.

`response.created` opens it; items are added, filled part by part and done; one of `response.completed`, `.failed`
and `.incomplete` ends it. Sequence numbers, where a server sends them, count up by one; what is said to be whole
must be the sum of what came before. Events that are not known here are let through.
"""

from collections.abc import Callable
from typing import Any

from hxp_schemas.openai._response_answer import ResponseUsage

from ._index import is_index
from ._machine import BrokenRuleError, StreamMachine, StreamRule

_MAX_INDEX = 65_536
_WAITING = frozenset({"response.created", "response.queued", "response.in_progress"})
_TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete"})
_GROWS = {"function_call": "arguments", "custom_tool_call": "input"}
_UNANNOUNCED = frozenset({"reasoning", *_GROWS})
"""Items that grow without a part that begins; servers differ in announcing what a model thinks."""
_ITSELF = ("", 0)
"""The place of the text in an item that is one text itself."""


class _Text:
    """Something that grows by deltas until it is whole."""

    def __init__(self, kind: str, *, closed: bool = False) -> None:
        self.kind, self.closed = kind, closed
        self.pieces: list[str] = []
        self.whole = False


class _Item:
    """An item of the output, and the texts in it."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.id, self.type = said.get("id"), said["type"]
        self.closed = False
        self.parts: dict[tuple[str, int], _Text] = {}


class ResponseStream(StreamMachine):
    """Reads a Responses stream, event by event, and says how it ended.

    Attributes:
        content_chunks: Events that carried something generated.
        status: How the response ended (`completed`, `failed`, `incomplete`); `None` before.

    Example:
        >>> stream = ResponseStream()
        >>> stream.feed('{"type": "response.created", "response": {"id": "resp_1"}}')
        >>> stream.verdict, stream.reason
        ('truncated', 'the stream stopped before response.completed')
        >>> stream.feed('{"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"}')
        >>> str(stream.finding)
        'illegal: response.output_text.delta for item 0, which is not open (event 1)'
    """

    def __init__(self) -> None:
        super().__init__()
        self.content_chunks = 0
        self.status: str | None = None
        self._created = False
        self._sequence: int | None = None
        self._items: dict[int, _Item] = {}

    @property
    def usage(self) -> ResponseUsage | None:
        """The usage that the last event reported, if it is one."""
        return self._counted(ResponseUsage, "input_tokens", "output_tokens", "total_tokens")

    def _judge(self, *, done: bool) -> None:
        if self.status is None:
            reason = "the stream stopped before response.completed" if self._created else "the stream has no response"
            reason = f"{reason}, at [DONE]" if done else reason
            raise BrokenRuleError(StreamRule.UNFINISHED, reason, verdict="truncated")

    def _read(self, chunk: dict[str, Any], event: str | None) -> None:
        kind = chunk.get("type")
        if kind == "error" or (kind is None and chunk.get("error")):
            raise BrokenRuleError.reported(chunk)
        if not isinstance(kind, str):
            raise BrokenRuleError(StreamRule.MALFORMED, "an event has no type")
        if event is not None and event != kind:
            raise BrokenRuleError(StreamRule.MISMATCH, f"an event named {event!r} holds one of type {kind!r}")
        if self.status is not None:
            raise BrokenRuleError(StreamRule.AFTER_END, f"{kind!r} after response.{self.status}")
        self._number(chunk.get("sequence_number"))
        if kind in _WAITING:
            self._waiting(kind)
        elif not self._created:
            raise BrokenRuleError(StreamRule.ORDER, f"{kind!r} before response.created")
        elif kind in _TERMINAL:
            self._finish(kind.removeprefix("response."), chunk)
        elif kind in _RULES:
            _RULES[kind](self, chunk)

    def _number(self, number: object) -> None:
        if type(number) is not int:
            if self._sequence is not None:
                raise BrokenRuleError(StreamRule.SEQUENCE, f"no sequence_number after {self._sequence}")
            return
        if self._sequence is not None and number != self._sequence + 1:
            raise BrokenRuleError(StreamRule.SEQUENCE, f"sequence_number {number} after {self._sequence}")
        if self._sequence is None and self._created:
            raise BrokenRuleError(StreamRule.SEQUENCE, f"sequence_number {number} after events without one")
        self._sequence = number

    def _waiting(self, kind: str) -> None:
        if (kind == "response.created") == self._created or self._items:
            raise BrokenRuleError(StreamRule.ORDER, f"{kind} came too late, too early or twice")
        self._created = True

    def _finish(self, status: str, chunk: dict[str, Any]) -> None:
        response = chunk.get("response")
        if not isinstance(response, dict):
            raise BrokenRuleError(StreamRule.MALFORMED, f"response.{status} holds no response")
        if status == "failed":
            error = response.get("error")
            raise BrokenRuleError.reported({"error": error or "the response failed"})
        still = [index for index, item in self._items.items() if not item.closed]
        if status == "completed" and still:
            raise BrokenRuleError(StreamRule.ORDER, f"response.completed while item {still[0]} is open")
        output = response.get("output")
        if isinstance(output, list) and status == "completed" and len(output) != len(self._items) and self._items:
            reason = f"response.completed holds {len(output)} items, {len(self._items)} came"
            raise BrokenRuleError(StreamRule.MISMATCH, reason)
        self.status = status
        self._usage = response.get("usage")

    def _open_item(self, chunk: dict[str, Any]) -> _Item:
        index = chunk.get("output_index")
        item = self._items.get(index) if is_index(index, _MAX_INDEX) else None
        if item is None or item.closed:
            raise BrokenRuleError(StreamRule.ORDER, f"{chunk['type']} for item {index}, which is not open")
        named = chunk.get("item_id")
        if named is not None and item.id is not None and named != item.id:
            raise BrokenRuleError(
                StreamRule.MISMATCH, f"{chunk['type']} for item {named!r}, but {index} is {item.id!r}"
            )
        return item

    def add_item(self, chunk: dict[str, Any]) -> None:
        """Take `response.output_item.added`."""
        index, item = chunk.get("output_index"), chunk.get("item")
        if not is_index(index, _MAX_INDEX) or not isinstance(item, dict) or not isinstance(item.get("type"), str):
            raise BrokenRuleError(StreamRule.MALFORMED, "an item has no output_index or no type")
        if index in self._items:
            raise BrokenRuleError(StreamRule.ORDER, f"item {index} was added twice")
        self._items[index] = _Item(item)

    def close_item(self, chunk: dict[str, Any]) -> None:
        """Take `response.output_item.done`."""
        item = self._open_item(chunk)
        said = chunk.get("item")
        if not isinstance(said, dict) or said.get("type") != item.type or said.get("id", item.id) != item.id:
            raise BrokenRuleError(StreamRule.MISMATCH, f"item {chunk['output_index']} ended as another than it began")
        for (_, place), part in item.parts.items():
            if not part.closed:
                raise BrokenRuleError(StreamRule.ORDER, f"item is done while its part {place} is open")
        grown = item.parts.get(_ITSELF)
        if grown is not None and said.get(_GROWS[item.type], "".join(grown.pieces)) != "".join(grown.pieces):
            raise BrokenRuleError(StreamRule.MISMATCH, f"item {chunk['output_index']} is not the sum of its deltas")
        item.closed = True


class _Part:
    """Rules of `…part.added` and `…part.done`."""

    def __init__(self, place: str, *, opens: bool) -> None:
        self.place, self.opens = place, opens

    def __call__(self, stream: ResponseStream, chunk: dict[str, Any]) -> None:
        item = stream._open_item(chunk)  # noqa: SLF001 - one machine, in pieces
        index, said = chunk.get(self.place), chunk.get("part")
        if not is_index(index, _MAX_INDEX) or not isinstance(said, dict) or not isinstance(said.get("type"), str):
            raise BrokenRuleError(StreamRule.MALFORMED, f"a part has no {self.place} or no type")
        part = item.parts.get((self.place, index))
        if self.opens:
            if part is not None:
                raise BrokenRuleError(StreamRule.ORDER, f"part {index} was added twice")
            item.parts[self.place, index] = _Text(said["type"])
            return
        if part is None or part.closed:
            raise BrokenRuleError(StreamRule.ORDER, f"{chunk['type']} for part {index}, which is not open")
        text = said.get("text", said.get("refusal"))
        if said["type"] != part.kind or (part.pieces and isinstance(text, str) and text != "".join(part.pieces)):
            raise BrokenRuleError(StreamRule.MISMATCH, f"part {index} ended as another than it began")
        part.closed = True


class _Growth:
    """Rules of `….delta` and `….done`: where the text grows, and which field holds all of it in the end.

    Attributes:
        place: The field with the index of the part; if empty, the item itself is what grows.
        inside: The type of the part, or of the item, that may grow so.
        total: The field of the whole text; `None` for a delta.
    """

    def __init__(self, place: str, inside: str, total: str | None = None) -> None:
        self.place, self.inside, self.total = place, inside, total

    def __call__(self, stream: ResponseStream, chunk: dict[str, Any]) -> None:
        text = self._text(stream._open_item(chunk), chunk)  # noqa: SLF001 - one machine, in pieces
        said = chunk.get(self.total or "delta")
        if not isinstance(said, str):
            raise BrokenRuleError(StreamRule.MALFORMED, f"{chunk['type']} holds no text")
        if text.whole:
            raise BrokenRuleError(StreamRule.ORDER, f"{chunk['type']} for a text that is whole")
        if self.total is None:
            text.pieces.append(said)
            stream.content_chunks += bool(said)
            return
        if said != "".join(text.pieces):
            raise BrokenRuleError(StreamRule.MISMATCH, f"{chunk['type']} is not the sum of its deltas")
        text.whole = True

    def _text(self, item: _Item, chunk: dict[str, Any]) -> _Text:
        index = chunk.get(self.place, 0) if self.place else 0
        if not is_index(index, _MAX_INDEX):
            raise BrokenRuleError(StreamRule.MALFORMED, f"{chunk['type']} has a wrong {self.place}")
        if self.inside in _UNANNOUNCED and item.type == self.inside:
            return item.parts.setdefault((self.place, index), _Text(self.inside, closed=True))
        part = item.parts.get((self.place, index))
        if part is None or part.closed or part.kind != self.inside:
            raise BrokenRuleError(StreamRule.ORDER, f"{chunk['type']} without an open part of type {self.inside!r}")
        return part


_RULES: dict[str, Callable[[ResponseStream, dict[str, Any]], None]] = {
    "response.output_item.added": ResponseStream.add_item,
    "response.output_item.done": ResponseStream.close_item,
    "response.content_part.added": _Part("content_index", opens=True),
    "response.content_part.done": _Part("content_index", opens=False),
    "response.reasoning_summary_part.added": _Part("summary_index", opens=True),
    "response.reasoning_summary_part.done": _Part("summary_index", opens=False),
    "response.output_text.delta": _Growth("content_index", "output_text"),
    "response.output_text.done": _Growth("content_index", "output_text", "text"),
    "response.refusal.delta": _Growth("content_index", "refusal"),
    "response.refusal.done": _Growth("content_index", "refusal", "refusal"),
    "response.reasoning_summary_text.delta": _Growth("summary_index", "summary_text"),
    "response.reasoning_summary_text.done": _Growth("summary_index", "summary_text", "text"),
    "response.reasoning_text.delta": _Growth("content_index", "reasoning"),
    "response.reasoning_text.done": _Growth("content_index", "reasoning", "text"),
    "response.function_call_arguments.delta": _Growth("", "function_call"),
    "response.function_call_arguments.done": _Growth("", "function_call", "arguments"),
    "response.custom_tool_call_input.delta": _Growth("", "custom_tool_call"),
    "response.custom_tool_call_input.done": _Growth("", "custom_tool_call", "input"),
}
