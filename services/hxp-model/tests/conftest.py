"""An untrained model of a few hundred kilobytes: the real engine, no download, no meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np
import pytest
from hxp_model import ModelService, ModelSettings
from hxp_services_base.testing import Running, hosted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WIDTH = 48
_LAYERS, _HEADS, _FEED_FORWARD, _CONTEXT = 1, 3, 96, 2048
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def _byte_tokens() -> list[str]:
    """The printable character that stands for each byte in GPT-2's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 512))
    return [chr(byte if byte in printable else next(rest)) for byte in range(256)]


def _write_vocabulary(writer: gguf.GGUFWriter) -> int:
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_byte_tokens(), "he"]
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control] * 3 + [normal] * (len(tokens) - 3))
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_chat_template(_TEMPLATE)
    return len(tokens)


def write_random_model(path: Path) -> None:
    """Write a llama of one layer with random weights."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_rope_dimension_count(WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    size = _write_vocabulary(writer)
    random = np.random.default_rng(11)
    shapes = {"token_embd": (size, WIDTH)}
    norms = ["output_norm"]
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        norms += [f"{block}attn_norm", f"{block}ffn_norm"]
        shapes |= {f"{block}{name}": (WIDTH, WIDTH) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
        shapes |= {f"{block}{name}": (_FEED_FORWARD, WIDTH) for name in ("ffn_gate", "ffn_up")}
        shapes[f"{block}ffn_down"] = (WIDTH, _FEED_FORWARD)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.3, shape).astype(np.float32))
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="session")
def random_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random.gguf"
    write_random_model(path)
    return path


@pytest.fixture(scope="module")
async def running(random_gguf: Path) -> AsyncIterator[Running[ModelService]]:
    """One model service for all tests of a module; its name is that of the file."""
    settings = ModelSettings(model=str(random_gguf), slots=2, context=512, queue=8)
    async with hosted(ModelService(), settings) as found:
        yield found
