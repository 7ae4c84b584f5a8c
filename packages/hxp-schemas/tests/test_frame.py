import json
from typing import Any

import pytest
from hxp_schemas.openai import ChatCompletionChunk, Completion, CompletionUsage
from hxp_schemas.sse import DONE, SSEDecoder
from hxp_schemas.stream import ChatFrames, ChatStream, CompletionFrames
from hypothesis import given
from hypothesis import strategies as st

CHAT = ChatFrames(id="chatcmpl-1", model='a "quoted" model', created=1, system_fingerprint="fp")
TEXT = CompletionFrames(id="cmpl-1", model="m", created=1)


def payload(frame: bytes) -> dict[str, Any]:
    [event] = SSEDecoder().feed(frame)
    data: dict[str, Any] = json.loads(event.data)
    return data


@given(st.text())
def test_a_token_arrives_as_it_was(text: str) -> None:
    chunk = ChatCompletionChunk.model_validate(payload(CHAT.token(text)))
    assert chunk.choices[0].delta.content == text
    assert (chunk.id, chunk.model, chunk.system_fingerprint) == ("chatcmpl-1", 'a "quoted" model', "fp")
    assert payload(CHAT.reasoning(text))["choices"][0]["delta"] == {"reasoning_content": text}
    assert payload(CHAT.arguments(0, text))["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == text
    assert Completion.model_validate(payload(TEXT.token(text))).choices[0].text == text


@given(st.text(alphabet=st.integers(0xD800, 0xDFFF).map(chr) | st.characters(), min_size=1))
def test_surrogates_are_joined_or_replaced(text: str) -> None:
    """B2: whatever a tokenizer puts out, the frame is UTF-8."""
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for frame in (CHAT.token(text), CHAT.reasoning(text)):
        assert expected in payload(frame)["choices"][0]["delta"].values()
    assert payload(TEXT.token(text))["choices"][0]["text"] == expected
    for frame in (CHAT.arguments(0, text), CHAT.tool_call(0, "call_1", text)):
        [call] = payload(frame)["choices"][0]["delta"]["tool_calls"]
        assert expected in call["function"].values()


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert payload(CHAT.token("\ud83d\ude00"))["choices"][0]["delta"]["content"] == "\U0001f600"
    assert payload(CHAT.token("a\ud83d"))["choices"][0]["delta"]["content"] == "a\ufffd"


def test_the_model_may_be_called_like_the_place_of_the_text() -> None:
    frames = ChatFrames(id="\x00text\x00", model="\x00text\x00", created=1)
    assert payload(frames.token("x"))["choices"][0]["delta"] == {"content": "x"}


def test_a_whole_chat_is_a_complete_stream() -> None:
    usage = CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    wire = b"".join(
        [
            CHAT.start(),
            CHAT.reasoning("Hm"),
            CHAT.token("Hello"),
            CHAT.tool_call(0, "call_1", "weather"),
            CHAT.arguments(0, "{}"),
            CHAT.finish("tool_calls"),
            CHAT.usage(usage),
            CHAT.done,
        ]
    )
    stream = ChatStream(expect_usage=True)
    for event in SSEDecoder().feed(wire):
        stream.read(event)
    assert (stream.verdict, stream.content_chunks, stream.finish_reasons) == ("complete", 4, {0: "tool_calls"})
    assert stream.usage == usage


def test_where_usage_was_asked_for_every_chunk_has_the_field() -> None:
    """As OpenAI's document says of `include_usage`."""
    frames = ChatFrames(id="1", model="m", created=1, include_usage=True)
    usage = CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    before = [frames.start(), frames.reasoning("a"), frames.token("a"), frames.finish()]
    said = [payload(frame).get("usage", "absent") for frame in [*before, frames.usage(usage), CHAT.token("a")]]
    assert said == [None, None, None, None, usage.to_dict(), "absent"]


def test_a_whole_completion_is_a_complete_stream() -> None:
    stream = ChatStream()
    for event in SSEDecoder().feed(TEXT.token("a") + TEXT.finish() + TEXT.usage(CompletionUsage()) + TEXT.done):
        stream.read(event)
    assert (stream.verdict, stream.content_chunks) == ("complete", 1)
    assert TEXT.done == DONE


@pytest.mark.parametrize("text", ["", "\n\n", "data: x\r\n", "\u2028", "\x00", '"', "\\"])
def test_no_token_can_forge_an_event(text: str) -> None:
    """L1, on the wire."""
    assert payload(CHAT.token(text))["choices"][0]["delta"]["content"] == text
