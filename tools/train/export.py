"""A trained model as one GGUF file that llama.cpp loads as it is: written, and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf

from tools.train.tokenizer import END_OF_TEXT, SPECIAL_TOKENS, TURN_END, Tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from tools.train.model import Shape

# llama.cpp recognises ChatML by its markers, and runs this same template with --jinja.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write_gguf(path: Path, weights: Mapping[str, np.ndarray], shape: Shape, tokenizer: Tokenizer) -> None:
    """Write matrices as Q8_0 and norms as F32.

    Args:
        path: The file to write.
        weights: Tensors by torch name, `float32`; the output layer is tied and absent.
        shape: The architecture.
        tokenizer: The vocabulary, carried inside the file.
    """
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer, shape)
    _add_tokenizer(writer, tokenizer)
    for name, weight in weights.items():
        if weight.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(weight, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("hxp-tiny")
    writer.add_description("A very small model that answers questions about HXP")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocabulary)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(tokenizer.tokens))
    writer.add_token_types(
        [gguf.TokenType.CONTROL if token in SPECIAL_TOKENS else gguf.TokenType.NORMAL for token in tokenizer.tokens]
    )
    writer.add_token_merges([" ".join(pair) for pair in tokenizer.merges])
    writer.add_bos_token_id(tokenizer.id_of(END_OF_TEXT))
    writer.add_eos_token_id(tokenizer.id_of(TURN_END))
    writer.add_pad_token_id(tokenizer.id_of(END_OF_TEXT))
    writer.add_add_bos_token(False)  # noqa: FBT003 - its only parameter
    writer.add_chat_template(CHAT_TEMPLATE)


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer that a GGUF file carries."""
    fields = gguf.GGUFReader(path).fields
    names = (gguf.Keys.Tokenizer.LIST, gguf.Keys.Tokenizer.MERGES)
    tokens, merges = (fields[name].contents() for name in names)
    return Tokenizer.from_lines(tokens, merges)


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a GGUF file as `float32`, to continue training from them."""
    return {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in gguf.GGUFReader(path).tensors
    }
