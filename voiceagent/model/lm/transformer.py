"""Qwen2-style transformer (arXiv 2407.10671): RMSNorm, rotary positions, grouped-query attention with q/k/v bias,
SwiGLU.

It knows nothing of speech or masks of its own: who may see whom is an argument, and the cache of keys and values is a
value that goes in and comes out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent.model.config import TransformerConfig


@dataclass(frozen=True, slots=True)
class KeysValues:
    """Cached keys and values of every layer, (layers, B, kv_heads, S, head_dim) each; keys are already rotated."""

    keys: Tensor
    values: Tensor

    def __len__(self) -> int:
        return self.keys.shape[3]

    def append(self, keys: Tensor, values: Tensor, *, keep: int) -> KeysValues:
        """The cache with more slots at the end, and at most `keep` in all: the oldest are forgotten."""
        joined = (torch.cat((self.keys, keys), dim=3), torch.cat((self.values, values), dim=3))
        return KeysValues(*(part[:, :, :, -keep:] for part in joined))


def frequencies(head_dim: int, base: float, device: torch.device) -> Tensor:
    """How far each pair of channels turns from slot to slot, (head_dim / 2,) float64."""
    return base ** (-torch.arange(0, head_dim, 2, device=device).double() / head_dim)


def rotary(positions: Tensor, head_dim: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines for positions (..., S) -> (..., S, head_dim) each."""
    turns = frequencies(head_dim, base, positions.device)
    angles = positions[..., None].double() * turns  # an hour of speech is 90,000 positions
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotate (B, H, S, head_dim) by position, half against half as in Qwen2."""
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-second, first), dim=-1) * sines


def attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Grouped-query attention. (B, H, S, D), (B, KV, P, D) twice, mask (B or 1, 1, S or 1, P) True where visible -> (B,
    H, S, D).

    Written out, because on a CPU the large products run on matrix units and the rest fuses; PyTorch's fused kernel is
    several times slower there when training.
    """
    weights = attention_weights(query, keys, mask).to(values.dtype)
    mixed: Tensor = (weights.flatten(2, 3) @ values).unflatten(2, (-1, query.shape[2]))
    return mixed.flatten(1, 2)


def attention_weights(query: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
    """How much every slot looks at every other, (B, KV, H / KV, S, P); arguments as of `attend`."""
    slots, head_dim = query.shape[2:]
    grouped = (query * head_dim**-0.5).unflatten(1, (keys.shape[1], -1))  # (B, KV, G, S, D)
    scores = (grouped.flatten(2, 3) @ keys.transpose(-1, -2)).unflatten(2, (-1, slots)).float()
    if mask is not None:
        scores = scores + (mask[:, :, None].float() - 1) * 1e4
    weights: Tensor = scores.softmax(-1)
    return weights


class Layer(nn.Module):
    """Pre-norm attention and SwiGLU."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.head_dim = config.width // config.heads
        self.input_layernorm = nn.RMSNorm(config.width, eps=1e-6)
        self.q_proj = nn.Linear(config.width, config.heads * self.head_dim)
        self.k_proj = nn.Linear(config.width, config.kv_heads * self.head_dim)
        self.v_proj = nn.Linear(config.width, config.kv_heads * self.head_dim)
        self.o_proj = nn.Linear(config.heads * self.head_dim, config.width, bias=False)
        self.post_attention_layernorm = nn.RMSNorm(config.width, eps=1e-6)
        self.gate_proj = nn.Linear(config.width, config.ffn, bias=False)
        self.up_proj = nn.Linear(config.width, config.ffn, bias=False)
        self.down_proj = nn.Linear(config.ffn, config.width, bias=False)
        for last in (self.o_proj, self.down_proj):
            nn.init.normal_(last.weight, std=0.02 / (2 * config.layers) ** 0.5)

    def project(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """(B, S, C) -> queries (B, heads, S, head_dim), keys and values (B, kv_heads, S, head_dim); the first two
        rotated.
        """

        def split(projected: Tensor, heads: int) -> Tensor:
            apart: Tensor = projected.unflatten(2, (heads, self.head_dim))
            return apart.transpose(1, 2)

        h = self.input_layernorm(x)
        query = rotate(split(self.q_proj(h), self.heads), *rope)
        key = rotate(split(self.k_proj(h), self.kv_heads), *rope)
        return query.to(h.dtype), key, split(self.v_proj(h), self.kv_heads).to(key.dtype)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, S, C), visible (B or 1, 1, S, P + S) -> (B, S, C) and this layer's own keys and values (B, kv_heads, S,
        head_dim).
        """
        query, key, value = self.project(x, rope)
        keys, values = (key, value) if past is None else (torch.cat((past[0], key), 2), torch.cat((past[1], value), 2))
        attended = attend(query, keys.to(query.dtype), values.to(query.dtype), mask)
        x = x + self.o_proj(attended.transpose(1, 2).flatten(2))
        h = self.post_attention_layernorm(x)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h)), key, value


class Transformer(nn.Module):
    """Blocks and the last norm."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=1e-6)

    def forward(
        self, x: Tensor, positions: Tensor, mask: Tensor | None = None, past: KeysValues | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, S, C), positions (S,) or (B, 1, S), mask True where visible -> hidden (B, S, C), new keys and values.

        Keys and values are (layers, B, kv_heads, S, head_dim) each.
        """
        rope = rotary(positions, self.config.width // self.config.heads, self.config.rope_base)
        keys, values = [], []
        for index, block in enumerate(self.layers):
            x, key, value = block(x, rope, mask, None if past is None else (past.keys[index], past.values[index]))
            keys.append(key)
            values.append(value)
        return self.norm(x), torch.stack(keys), torch.stack(values)

    def empty_cache(self, like: Tensor) -> KeysValues:
        """A cache with no slots, on the device and with the batch of `like` (B, ...)."""
        shape = (self.config.layers, like.shape[0], self.config.kv_heads, 0, self.config.width // self.config.heads)
        nothing = torch.zeros(shape, device=like.device)
        return KeysValues(nothing, nothing)
