"""Text of a chat stays text: no spelling of a control token survives in what people and tools write.

llama.cpp renders a chat with the model's template and looks for the spellings of control tokens in the whole of it, so
that `<|im_end|>` in a message would end the message. A zero-width space behind the first character of each spelling
makes ordinary text of it, which looks the same. Spellings that would only come about where texts meet are parted too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from ._gguf import TokenType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._gguf import Vocabulary

PARTING = "\N{ZERO WIDTH SPACE}"
"""Put behind the first character of a control token's spelling."""
_CHATML = "<|im_start|>user\n{{ content }}<|im_end|>\n"
"""llama.cpp's template for a model without one."""
_MARKUP = re.compile(r"[<\[{|\uff5c\uff1c].*[>\]}|\uff5c\uff1e]", re.DOTALL)
_BARRED = re.compile(r"[<\[][|\uff5c].*[|\uff5c][>\]]", re.DOTALL)
_ENDS = frozenset(
    {"</s>", "<s>", "< EOT >", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<end_of_turn>", "<start_of_turn>",
     "<end_of_utterance>", "<|tool_response>", "<PRE>", "<SUF>", "<MID>", "<PAD>", "<FILE>", "<fim_prefix>",
     "<fim-prefix>", "<fim_suffix>", "<fim-suffix>", "<fim_middle>", "<fim-middle>"}
)  # fmt: skip
"""Spellings that llama.cpp makes control tokens of, whatever the file says."""
_EXEMPT = frozenset({"logit_bias", "model", "stop", "user"})
"""Fields that never reach a template."""
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def control_spellings(vocabulary: Vocabulary) -> frozenset[str]:
    """Return the spellings that mean something else than their text.

    Those are control, unknown and unused tokens, the tokens that the file names as a beginning or an end, and whatever
    looks like one: `<|…|>`, or markup of its own that the chat template writes. Other tokens that a model has for plain
    text, such as HTML tags or runs of spaces, stay what they are.
    """
    templates = "\n".join(vocabulary.templates)

    def is_control(number: int, text: str) -> bool:
        kind = vocabulary.types[number]
        if kind in {TokenType.CONTROL, TokenType.UNKNOWN, TokenType.UNUSED} or number in vocabulary.marked:
            return True
        if text in _ENDS or _BARRED.fullmatch(text):
            return True
        return kind is TokenType.USER_DEFINED and _MARKUP.fullmatch(text) is not None and text in templates

    found = (text for number, text in enumerate(vocabulary.tokens) if text.strip() and is_control(number, text))
    return frozenset(found)


class PlainText:
    """Parts the spellings of control tokens in the texts of a chat.

    Args:
        spellings: Of control tokens.
        templates: Of the model; text of theirs may stand right before a text of a chat.

    Example:
        >>> plain = PlainText({"<|im_end|>"})
        >>> plain.text("a<|im_end|>b") == "a<" + PARTING + "|im_end|>b"
        True
        >>> plain.text("a < b")
        'a < b'
    """

    def __init__(self, spellings: Iterable[str], templates: Iterable[str] = ()) -> None:
        self._spellings = frozenset(spelling for spelling in spellings if len(spelling) > 1)
        self._single = {ord(spelling): "\N{REPLACEMENT CHARACTER}" for spelling in spellings if len(spelling) == 1}
        self._lengths: dict[str, list[int]] = {}
        for spelling in self._spellings:
            lengths = self._lengths.setdefault(spelling[:2], [])
            if len(spelling) not in lengths:
                lengths.append(len(spelling))
        pairs = "|".join(map(re.escape, sorted(self._lengths)))
        self._candidates = re.compile(f"(?=({pairs}))" if pairs else "(?!)", re.DOTALL)
        self._beginnings = frozenset(_beginnings(self._spellings))
        self._longest = max(map(len, self._spellings), default=0)
        written = "\n".join((*templates, _CHATML))
        for spelling in sorted(self._spellings, key=len, reverse=True):
            written = written.replace(spelling, "\0")
        self._endings = _endings(self._spellings, written)
        self._middles = frozenset(_middles(self._endings, written))

    def text(self, text: str) -> str:
        """Part every spelling in `text`, and those that would come about at its ends."""
        if self._single:
            text = text.translate(self._single)
        cuts = [match.start() + 1 for match in self._candidates.finditer(text) if self._is_spelled(text, match)]
        if cuts:
            ends = [*cuts, len(text)]
            text = text[: cuts[0]] + "".join(PARTING + text[cut:end] for cut, end in zip(cuts, ends[1:], strict=True))
        return self._parted_ends(text)

    def _is_spelled(self, text: str, match: re.Match[str]) -> bool:
        start = match.start()
        return any(text[start : start + length] in self._spellings for length in self._lengths[match[1]])

    def _parted_ends(self, text: str) -> str:
        """Part `text` from what may stand before and after it; space at its ends may be taken away."""
        end = len(text.rstrip())
        if any(text[end - length : end] in self._beginnings for length in range(1, min(self._longest, end + 1))):
            text = text[:end] + PARTING + text[end:]
        begin = len(text) - len(text.lstrip())
        core = text[begin : begin + self._longest].rstrip()
        endings = self._endings.get(core[:1], ())
        is_word = re.search(r"\W", core) is None
        if core in self._middles or any(
            core.startswith(ending) or (ending.startswith(core) and not is_word) for ending in endings
        ):
            text = text[:begin] + PARTING + text[begin:]
        return text

    def document(self, value: Any) -> Any:
        """Part the spellings in every text of a JSON document, its keys included."""
        if isinstance(value, str):
            return self._hidden(self.text(value))
        if isinstance(value, list):
            return [self.document(entry) for entry in value]
        if isinstance(value, dict):
            return {self.text(key): self._entry(key, entry) for key, entry in value.items()}
        return value

    def _entry(self, key: str, value: Any) -> Any:
        if key == "role" and value in _ROLES:
            return value  # some templates make a control token of it, and no other role gets there
        if key == "arguments" and isinstance(value, str):
            return self.arguments(value)
        return self.document(value)

    def arguments(self, text: str) -> str:
        """Part the spellings in the arguments of a call, which some templates read as JSON."""
        if "\\u" not in text:
            return self.text(text)
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return self.text(text.replace("\\u", f"\\{PARTING}u"))  # nor is it JSON for a more patient reader
        return self._hidden(self.text(text))

    def _hidden(self, text: str) -> str:
        r"""Part spellings that come about if `text` is read as JSON, such as `\u003c|im_end|>`."""
        if "\\u" in text and text.lstrip()[:1] in {"{", "[", '"'}:
            try:
                document = orjson.loads(text)
            except orjson.JSONDecodeError:
                return text
            plain = self.document(document)
            if plain != document:
                return orjson.dumps(plain).decode()
        return text

    def request(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Part the spellings in every field of a chat request that may reach the template."""
        return {name: value if name in _EXEMPT else self.document(value) for name, value in payload.items()}


def _beginnings(spellings: Iterable[str]) -> Iterator[str]:
    """Yield what a text may end with so that more makes a spelling of it; a mere word does not count."""
    for spelling in spellings:
        for length in range(1, len(spelling)):
            if re.search(r"\W", spelling[:length]):
                yield spelling[:length]


def _endings(spellings: frozenset[str], written: str) -> dict[str, list[str]]:
    """Return what makes a spelling together with text that templates write before another, by its first character."""
    found: dict[str, list[str]] = {}
    for spelling in spellings:
        for length in range(1, len(spelling)):
            if spelling[:length] not in written:
                break
            if re.search(re.escape(spelling[:length]) + r"\s*['\"{]", written):
                found.setdefault(spelling[length], []).append(spelling[length:])
    return found


def _middles(endings: dict[str, list[str]], written: str) -> Iterator[str]:
    """Yield what makes a spelling with text that templates write before and after another."""
    for ending in (ending for some in endings.values() for ending in some):
        for length in range(1, len(ending)):
            if ending[length:] in written and re.search(r"['\"}]\s*" + re.escape(ending[length:]), written):
                yield ending[:length]
