"""The tokens of a GGUF file, and what is none."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hxp_services_base.engines._gguf import TokenType, Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from pathlib import Path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def file(path: Path, *entries: bytes, version: int = 3, count: int | None = None) -> Path:
    head = b"GGUF" + struct.pack("<IQQ", version, 0, len(entries) if count is None else count)
    path.write_bytes(head + b"".join(entries))
    return path


def test_tokens_types_ends_and_templates_are_read(tools_gguf: Path) -> None:
    vocabulary = read_vocabulary(tools_gguf)
    types = dict(zip(vocabulary.tokens, vocabulary.types, strict=True))
    assert types["<|im_end|>"] is TokenType.CONTROL
    assert types["<tool_call>"] is TokenType.USER_DEFINED
    assert types["<unused0>"] is TokenType.UNUSED
    assert types["<unk>"] is TokenType.UNKNOWN
    assert types["he"] is TokenType.NORMAL
    assert {vocabulary.tokens[number] for number in vocabulary.marked} == {"<|endoftext|>", "<|im_end|>"}
    assert "<tool_response>" in vocabulary.templates[0]


def test_every_kind_of_value_is_passed_over(tmp_path: Path) -> None:
    entries = [
        text(f"a.{kind}") + struct.pack(f"<I{form}", kind, 1)
        for kind, form in {
            0: "B",
            1: "b",
            2: "H",
            3: "h",
            4: "I",
            5: "i",
            6: "f",
            7: "?",
            10: "Q",
            11: "q",
            12: "d",
        }.items()
    ]
    entries.append(text("a.list") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 8, 1) + text("x"))
    entries.append(text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + text("a") + text("b") + text("c"))
    entries.append(text("tokenizer.ggml.token_type") + struct.pack("<IIQ2i", 9, 5, 2, 3, 99))
    assert read_vocabulary(file(tmp_path / "x", *entries)) == Vocabulary(
        ("a", "b", "c"), (TokenType.CONTROL, TokenType.NORMAL, TokenType.NORMAL)
    )


@pytest.mark.parametrize(
    ("entries", "options"),
    [
        ([], {"version": 1}),
        ([], {"count": 5}),
        ([text("a") + struct.pack("<I", 77)], {}),
        ([text("a") + struct.pack("<IIQ", 9, 4, 1 << 40)], {}),
        ([struct.pack("<Q", 1 << 60)], {}),
        ([text("a") + struct.pack("<IIQ", 9, 4, 1000)], {}),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, entries: list[bytes], options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"GGUF|unknown type|longer than any"):
        read_vocabulary(file(tmp_path / "x", *entries, **options))
    (tmp_path / "y").write_bytes(b"PK")
    with pytest.raises(ValueError, match="does not begin with 'GGUF'"):
        read_vocabulary(tmp_path / "y")
