"""Text of a chat never becomes a control token, however it is pieced together."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hxp_services_base.chassis import ServiceError
from hxp_services_base.engines._control import PARTING, PlainText, control_spellings
from hxp_services_base.engines._gguf import TokenType, Vocabulary, read_vocabulary
from hxp_services_base.engines._prompt_bounds import longest_text, refuse_too_long
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

SPELLINGS = frozenset(
    {"<|im_start|>", "<|im_end|>", "</s>", "[INST]", "<tool_call>", "<\uff5cend\u2581of\uff5c>", "|>|>", "<<"}
)
TEMPLATE = "<|im_start|>{{ role }} <{{ name }}>\n{{ content | trim }}<|im_end|>\n"
PLAIN = PlainText(SPELLINGS, [TEMPLATE])
USUAL = PlainText(SPELLINGS - {"<<", "|>|>"}, [TEMPLATE])
FRAGMENTS = sorted({s[a:b] for s in SPELLINGS for a in range(len(s)) for b in range(a + 1, len(s) + 1)})
TEXTS = st.lists(st.sampled_from([*FRAGMENTS, *SPELLINGS, " ", "\n", "user", "\u200b", "x"]), max_size=8).map("".join)


def spelled(text: str) -> list[tuple[int, str]]:
    return sorted((match.start(), s) for s in SPELLINGS for match in re.finditer(f"(?={re.escape(s)})", text))


def rendered(role: str, name: str, parts: list[str]) -> str:
    return f"<|im_start|>{role} <{name}>\n{''.join(parts).strip()}<|im_end|>\n"


@given(TEXTS)
@settings(max_examples=500)
def test_no_spelling_survives_and_nothing_is_lost(text: str) -> None:
    plain = PLAIN.text(text)
    assert spelled(plain) == []
    assert plain.replace(PARTING, "") == text.replace(PARTING, "")


@given(TEXTS, st.lists(TEXTS, max_size=4))
@settings(max_examples=1000)
def test_none_comes_about_between_the_texts_and_the_template(name: str, parts: list[str]) -> None:
    prompt = rendered("user", PLAIN.text(name), [PLAIN.text(part) for part in parts])
    assert [found for _, found in spelled(prompt)] == ["<|im_start|>", "<|im_end|>"]


@given(st.recursive(TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_none_survives_anywhere_in_a_document_or_in_json_within_it(document: Any) -> None:
    encoded = json.dumps(document)
    for escaped in (encoded, encoded.replace("<", "\\u003c"), encoded.replace("|", "\\u007C")):
        for plain in (PLAIN.arguments(escaped), PLAIN.document({"arguments": escaped})["arguments"]):
            for text in texts(json.loads(plain)):
                assert spelled(text) == []
    for text in texts(PLAIN.document(document)):
        assert spelled(text) == []


def texts(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [*document, *(text for value in document.values() for text in texts(value))]
    if isinstance(document, list):
        return [text for value in document for text in texts(value)]
    return [document] if isinstance(document, str) else []


@pytest.mark.parametrize(
    "text",
    ["", "a < b", "> quoted", "| a | b |", "<h1>x</h1>", "[1, 2]", "x | y > z", "1 << 2",
     "\u200b", '{"a": "\\u00e9"}', "C:\\users", "{\\u"],
)  # fmt: skip
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert PlainText(SPELLINGS - {"<<", "|>|>"}, ["<|im_start|>user\n"]).document(text) == text


def test_what_is_parted_looks_the_same() -> None:
    assert USUAL.text("a<|im_end|>b") == f"a<{PARTING}|im_end|>b"
    assert USUAL.text("<|im_<|im_end|>end|>") == f"<|im_<{PARTING}|im_end|>end|>"
    assert USUAL.text("end <|im_") == f"end <|im_{PARTING}"
    assert USUAL.text("end <|im_ \n") == f"end <|im_{PARTING} \n", "a template may take the space away"
    assert USUAL.text("|im_end|> x") == f"{PARTING}|im_end|> x", "the template writes '<' before a name"
    phi = PlainText({"<|user|>", "<|end|>"}, ["{{ '<|' + message.role + '|>' + message.content }}"])
    assert phi.document({"role": "user", "name": "user", "x": "use"}) == {
        "role": "user", "name": f"{PARTING}user", "x": "use"
    }  # fmt: skip
    assert PlainText({"\u2603"}).text("a\u2603") == "a\N{REPLACEMENT CHARACTER}"
    assert PlainText(()).text("<|im_end|>") == "<|im_end|>"


def test_arguments_that_are_no_json_cannot_be_read_as_json_by_others() -> None:
    broken = '\ufeff{"a": "\\u003c|im_end|>"}'
    plain = USUAL.arguments(broken)
    assert "\\u003c" not in plain
    assert USUAL.arguments('{"a": "\\u00e9"}') == '{"a": "\\u00e9"}'
    assert USUAL.arguments('{"a": 12345678901234567890}') == '{"a": 12345678901234567890}'


def test_every_field_that_may_reach_the_template_is_seen_to() -> None:
    bad, good = "<|im_end|>", f"<{PARTING}|im_end|>"
    payload: dict[str, Any] = {
        "model": bad,
        "stop": [bad],
        "temperature": 0.5,
        "messages": [
            {"role": "tool", "x": 1},
            {"role": bad, "name": bad, "content": [{"type": "text", "text": bad}], "reasoning_content": bad},
        ],  # a tool stays one
        "tools": [{"function": {"description": bad, "parameters": {"properties": {bad: {"enum": [bad, 1]}}}}}],
        "response_format": {"json_schema": {"schema": {"title": bad}}},
        "reasoning_effort": bad,
    }
    expected = json.loads(json.dumps(payload, ensure_ascii=False).replace(bad, good))
    assert USUAL.request(payload) == {**expected, "model": bad, "stop": [bad]}


def test_control_tokens_are_known_by_their_type_their_role_and_their_looks(tools_gguf: Path) -> None:
    found = control_spellings(read_vocabulary(tools_gguf))
    assert found == {
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unused0>", "[INST]", "<unk>",
        "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>",
    }  # fmt: skip
    normal = (TokenType.NORMAL,) * 5
    odd = Vocabulary(("<|eot_id|>", "</s>", "hi", "END", " "), normal, frozenset({3}))
    assert control_spellings(odd) == {"<|eot_id|>", "</s>", "END"}


def test_texts_that_no_context_holds_are_refused_unread() -> None:
    most = longest_text(Vocabulary(("a", "hello")), 10)
    assert most == 50
    fits: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": "x" * 46}]},
        {"prompt": [1] * 100},
        {"prompt": None},
        {"input": ["x" * 50] * 9},
        {"input": "x" * 50},
    ]
    for payload in fits:
        refuse_too_long(payload, most)
    for name, value in {
        "messages": [{"content": [{"text": "x" * 51}]}],
        "prompt": "x" * 51,
        "input": ["", "x" * 51],
    }.items():
        with pytest.raises(ServiceError) as caught:
            refuse_too_long({name: value}, most)
        info = caught.value.info
        assert (info.status, info.code, info.param) == (400, "context_length_exceeded", name)
