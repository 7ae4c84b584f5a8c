"""From a token to the bytes on the wire in one step: all that does not change is written once per stream."""

from abc import ABC, abstractmethod

try:  # the C function behind `json`, without the rest of that package
    from _json import encode_basestring
except ImportError:  # pragma: no cover - an interpreter other than CPython
    from json.encoder import encode_basestring

from pydantic_core import to_json

from hxp_schemas.openai._usage import CompletionUsage
from hxp_schemas.sse import DONE, encode

_MARK = "\x00text\x00"


class _Frames(ABC):
    """What the frames of both streams have in common: a head and a tail around the text."""

    __slots__ = ("_base", "_head", "_index", "_tail")

    done = DONE
    _base: dict[str, object]
    _head: str
    _index: int
    _tail: str

    def token(self, text: str) -> bytes:
        """Write a piece of the answer; a lone surrogate becomes U+FFFD."""
        try:
            return (self._head + encode_basestring(text) + self._tail).encode()
        except UnicodeEncodeError:
            return self.token(_mend(text))

    def usage(self, usage: CompletionUsage) -> bytes:
        """Write the chunk without choices that tells what was used."""
        return encode(to_json({**self._base, "choices": [], "usage": usage.to_dict()}))

    @abstractmethod
    def _chunk(self, piece: object, finish_reason: str | None = None) -> bytes:
        """Write a whole frame."""

    def _split(self, piece: object) -> tuple[str, str]:
        """Cut a whole frame where the text will stand."""
        head, tail = self._chunk(piece).decode().rsplit(encode_basestring(_MARK), 1)
        return head, tail


class ChatFrames(_Frames):
    r"""Writes the events of one chat stream; `token` is the hot path.

    Args:
        id: The id of the completion, the same in every chunk.
        model: The model's name.
        created: Seconds since 1970.
        index: Which of the answers (`n`) this is.
        system_fingerprint: What the answer was made with.
        include_usage: Whether the caller asked for usage; then every chunk but that of `usage` says that it has none.

    Example:
        >>> frames = ChatFrames(id="chatcmpl-1", model="m", created=1)
        >>> frames.token("Hi")[82:]
        b'"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
        >>> frames.done
        b'data: [DONE]\n\n'
    """

    __slots__ = ("_reasoning", "_usage")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the name of the field
        model: str,
        created: int,
        index: int = 0,
        system_fingerprint: str | None = None,
        include_usage: bool = False,
    ) -> None:
        self._index = index
        self._usage: dict[str, object] = {"usage": None} if include_usage else {}
        self._base = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        if system_fingerprint is not None:
            self._base["system_fingerprint"] = system_fingerprint
        self._head, self._tail = self._split({"content": _MARK})
        self._reasoning = self._split({"reasoning_content": _MARK})[0]

    def reasoning(self, text: str) -> bytes:
        """Write a piece of what the model thinks (`reasoning_content`)."""
        try:
            return (self._reasoning + encode_basestring(text) + self._tail).encode()
        except UnicodeEncodeError:
            return self.reasoning(_mend(text))

    def start(self) -> bytes:
        """Write the first chunk, which names the role."""
        return self._chunk({"role": "assistant", "content": ""})

    def tool_call(self, index: int, call_id: str, name: str) -> bytes:
        """Write the beginning of a tool call."""
        function = {"name": _mend(name), "arguments": ""}
        call = {"index": index, "id": call_id, "type": "function", "function": function}
        return self._chunk({"tool_calls": [call]})

    def arguments(self, index: int, text: str) -> bytes:
        """Write a piece of the arguments of a tool call."""
        return self._chunk({"tool_calls": [{"index": index, "function": {"arguments": _mend(text)}}]})

    def finish(self, reason: str = "stop") -> bytes:
        """Write the end of the answer."""
        return self._chunk({}, reason)

    def _chunk(self, piece: object, finish_reason: str | None = None) -> bytes:
        choice = {"index": self._index, "delta": piece, "finish_reason": finish_reason}
        return encode(to_json({**self._base, "choices": [choice], **self._usage}))


class CompletionFrames(_Frames):
    """Writes the events of one completion stream; `token` is the hot path.

    Args:
        id: The id of the completion, the same in every chunk.
        model: The model's name.
        created: Seconds since 1970.
        index: Which of the answers (`n`) this is.

    Example:
        >>> b'"text":"Hi"' in CompletionFrames(id="cmpl-1", model="m", created=1).token("Hi")
        True
    """

    __slots__ = ()

    def __init__(self, *, id: str, model: str, created: int, index: int = 0) -> None:  # noqa: A002 - the field
        self._index = index
        self._base = {"id": id, "object": "text_completion", "created": created, "model": model}
        self._head, self._tail = self._split(_MARK)

    def finish(self, reason: str = "stop") -> bytes:
        """Write the end of the answer."""
        return self._chunk("", reason)

    def _chunk(self, piece: object, finish_reason: str | None = None) -> bytes:
        choice = {"index": self._index, "text": piece, "logprobs": None, "finish_reason": finish_reason}
        return encode(to_json({**self._base, "choices": [choice]}))


def _mend(text: str) -> str:
    """Join the surrogates that are pairs and replace those that are alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
