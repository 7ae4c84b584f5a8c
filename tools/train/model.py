"""A Llama in plain torch: RMSNorm, grouped heads left out, SwiGLU, tied output, interleaved RoPE.

llama.cpp's layout named `llama` rotates neighbouring pairs, so the weights leave here as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers that fix a model's architecture.

    Attributes:
        vocabulary: Number of tokens.
        width: Size of the residual stream; a multiple of 32, as Q8_0 asks.
        layers: Number of blocks.
        heads: Attention heads; `width / heads` must be even.
        inner: Width of the feed-forward part; a multiple of 32.
        context: Positions the model is trained for.
        rope_base: Base of the rotary frequencies.
        epsilon: Added inside RMSNorm's root.
    """

    vocabulary: int
    width: int = 192
    layers: int = 4
    heads: int = 6
    inner: int = 512
    context: int = 1024
    rope_base: float = 10_000.0
    epsilon: float = 1e-5


class Norm(nn.Module):
    """Root mean square normalisation with a learned scale."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Scale each vector to unit root mean square, then by the weight."""
        return functional.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def rotary_table(shape: Shape) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, each of shape (context, width of a head / 2)."""
    half = shape.width // shape.heads // 2
    frequency = shape.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(shape.context, dtype=torch.float64)[:, None] * frequency
    return angle.cos().float(), angle.sin().float()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn neighbouring pairs of `x` (batch, heads, time, head width) by their position's angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return turned.flatten(-2)


class Block(nn.Module):
    """Attention and feed-forward, each behind its norm and added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attn_norm = Norm(shape.width, shape.epsilon)
        self.attn_q = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_k = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_v = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_output = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_norm = Norm(shape.width, shape.epsilon)
        self.ffn_gate = nn.Linear(shape.width, shape.inner, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.inner, bias=False)
        self.ffn_down = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, dropout: float) -> Tensor:
        """Return the stream after this block."""
        batch, time, width = x.shape
        y = self.attn_norm(x)
        query, key, value = (
            layer(y).view(batch, time, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.attn_q, self.attn_k, self.attn_v)
        )
        seen = functional.scaled_dot_product_attention(
            rotate(query, cosine, sine), rotate(key, cosine, sine), value, is_causal=True
        )
        y = self.attn_output(seen.transpose(1, 2).reshape(batch, time, width))
        x = x + functional.dropout(y, dropout, training=self.training)
        y = self.ffn_norm(x)
        y = self.ffn_down(functional.silu(self.ffn_gate(y)) * self.ffn_up(y))
        return x + functional.dropout(y, dropout, training=self.training)


class Llama(nn.Module):
    """The whole model; the output layer is the embedding table."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, shape: Shape, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = dropout
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = Norm(shape.width, shape.epsilon)
        cosine, sine = rotary_table(shape)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                last = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.05 / (math.sqrt(2 * shape.layers) if last else 1))

    def forward(self, ids: Tensor, offset: Tensor) -> Tensor:
        """Return the stream that `logits` reads.

        Args:
            ids: Token ids of shape (batch, time).
            offset: The first position of each row, of shape (batch,).
        """
        positions = offset[:, None] + torch.arange(ids.shape[1])
        cosine, sine = self.cosine[positions][:, None], self.sine[positions][:, None]
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, cosine, sine, self.dropout)
        stream: Tensor = self.output_norm(x)
        return stream

    def logits(self, stream: Tensor) -> Tensor:
        """Return the scores of all tokens for selected places of the stream."""
        return functional.linear(stream, self.token_embd.weight)

    def parameter_count(self) -> int:
        """Return how many numbers the model holds."""
        return sum(weight.numel() for weight in self.parameters())


def case_blind_embeddings(tokens: Sequence[str], width: int, *, spread: float = 0.05) -> Tensor:
    """Return first embeddings in which tokens that differ in case or a leading space are alike.

    A model this small sees too little text to find out by itself that `WHAT` and ` what` are one word.

    Args:
        tokens: The vocabulary in byte characters.
        width: Size of an embedding.
        spread: Standard deviation of every number.
    """
    own = torch.randn(len(tokens), width)
    families: dict[str, Tensor] = {}
    shared = torch.stack([families.setdefault(token.removeprefix("Ġ").lower(), torch.randn(width)) for token in tokens])
    return spread * (0.8 * shared + 0.6 * own)
