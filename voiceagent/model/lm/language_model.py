"""The speech language model: masked diffusion over speech tokens, text aligned to them by predicted durations.

Slots and label shift. Slot i holds token i - 1 (or [MASK]; slot 0 holds [BOS]) and its hidden state predicts token i,
so that autoregressive weights keep their meaning (LLaDA-TTS, arXiv 2603.26364, section 3). Text enters as phoneme
encodings spread
over the 25 Hz grid: slot i hears what is said at token i - 1 and at token i. The sequence is speech only, so a cache of
past slots never has to be rebuilt when more text arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.codec.layers import ContextBlock
from voiceagent.model.config import LABELS_PER_TOKEN, TIMING_FEATURES, LanguageModelConfig
from voiceagent.model.lm.transformer import KeysValues, Transformer
from voiceagent.model.voice_table import VoiceTable


@dataclass(frozen=True, slots=True)
class Alignment:
    """For each token: which phonemes sound, and how far into them it is."""

    phoneme: Tensor  # (B, T, 2) index into the phoneme axis
    timing: Tensor  # (B, T, 4) seconds since the phoneme began and until it ends, one pair a label


def align(starts_s: Tensor, ends_s: Tensor, first_token: int, tokens: int) -> Alignment:
    """Phoneme times (B, P) on the clock of the token grid -> the alignment of tokens first_token .. first_token +
    tokens.
    """
    rate = TOKEN_RATE_HZ * LABELS_PER_TOKEN
    at = (torch.arange(tokens * LABELS_PER_TOKEN, device=ends_s.device) + 0.5) / rate + first_token / TOKEN_RATE_HZ
    at = at.expand(ends_s.shape[0], -1).contiguous()
    index = torch.searchsorted(ends_s.contiguous(), at, right=True).clamp_max(ends_s.shape[1] - 1)
    since = (at - starts_s.gather(1, index)).clamp(0, 1)
    until = (ends_s.gather(1, index) - at).clamp(0, 1)
    timing = torch.stack((since, until), dim=-1)
    return Alignment(index.unflatten(1, (tokens, -1)), timing.unflatten(1, (tokens, -1)).flatten(2))


class TextEncoder(nn.Module):
    """Phonemes -> encodings and durations."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        width = config.text.width
        self.symbol = nn.Embedding(config.symbols, width)
        self.voice = VoiceTable(len(config.voices), config.style_width, width)
        self.mix = ContextBlock(width, width, left=1, right=1)
        self.encoder = Transformer(config.text)
        self.duration_mix = ContextBlock(width, width // 2, left=1, right=1)
        self.duration = nn.Linear(width, 1)

    def forward(self, phonemes: Tensor, voice: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, P), voices (B, V), mask (B, 1, 1 or P, P) -> encodings (B, P, C), log durations (B, P) in units of 40
        ms.
        """
        x = self.symbol(phonemes) + self.voice(voice)[:, None]
        x, _ = self.mix(x)
        x, _, _ = self.encoder(x, torch.arange(x.shape[1], device=x.device), mask)
        timed, _ = self.duration_mix(x)
        return x, self.duration(timed).squeeze(-1).float() + 0.4

    @staticmethod
    def seconds(log_durations: Tensor) -> Tensor:
        """Predicted log durations -> seconds."""
        return log_durations.clamp(-5.0, 4.0).exp() * 0.04


class TokenModel(nn.Module):
    """What models over speech tokens share: embeddings and heads factored by digit, around a transformer."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        codes = sum(config.levels)
        self.mask_row, self.begin_row = codes, codes + 1
        self.register_buffer("offsets", torch.tensor([0, *config.levels[:-1]]).cumsum(0), persistent=False)
        self.register_buffer("log_prior", torch.zeros(codes))

    offsets: Tensor
    log_prior: Tensor  # (codes,) log marginal of each digit in the training speech
    digit: nn.Embedding  # a row a level of each digit, then [MASK] and [BOS]
    transformer: Transformer
    out: nn.Linear

    def embed(self, held: Tensor, masked: Tensor, begin: Tensor) -> Tensor:
        """What slots hold: digits (B, S, 6), masked (B, S), begin (B, S) where there is nothing before -> (B, S, C)."""
        rows: Tensor = self.digit(held + self.offsets).sum(2)
        rows = torch.where(masked[..., None], self.digit.weight[self.mask_row], rows)
        return torch.where(begin[..., None], self.digit.weight[self.begin_row], rows)

    def logits(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """(B, S, C) -> one tensor (B, S, levels[d]) a digit."""
        digits: tuple[Tensor, ...] = self.out(hidden).float().split(self.config.levels, dim=-1)
        return digits


class SpeechLanguageModel(TokenModel):
    """Predicts every masked token from the tokens and the text around it."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__(config)
        width, codes = config.speech.width, sum(config.levels)
        self.text = TextEncoder(config)
        self.digit = nn.Embedding(codes + 2, width)
        self.voice = VoiceTable(len(config.voices), config.style_width, width)
        self.labels = nn.Linear(LABELS_PER_TOKEN * config.text.width + TIMING_FEATURES, width)
        self.said = nn.Linear(width, width, bias=False)
        self.saying = nn.Linear(width, width, bias=False)
        self.transformer = Transformer(config.speech)
        self.out = nn.Linear(width, codes)

    def condition(self, encodings: Tensor, alignment: Alignment) -> Tensor:
        """Phoneme encodings (B, P, C) spread over tokens -> (B, T, C)."""
        index = alignment.phoneme.flatten(1)[..., None].expand(-1, -1, encodings.shape[-1])
        spread = encodings.gather(1, index).unflatten(1, (-1, LABELS_PER_TOKEN)).flatten(2)
        labels: Tensor = self.labels(torch.cat((spread, alignment.timing.to(spread.dtype) * 5), dim=-1))
        return labels

    def slots(self, embedded: Tensor, said: Tensor, saying: Tensor, voice: Tensor) -> Tensor:
        """Inputs of the transformer: what is held, what the token before says, what this token says; (B, S, C) each."""
        return embedded + self.conditioning(said, saying, voice)

    def conditioning(self, said: Tensor, saying: Tensor, voice: Tensor) -> Tensor:
        """What a slot hears of the text: the token before it and its own, (B, S, C) each, the voice (B, V) -> (B, S,
        C).
        """
        heard: Tensor = self.said(said) + self.saying(saying) + self.voice(voice)[:, None]
        return heard

    def forward(
        self, slots: Tensor, positions: Tensor, mask: Tensor | None = None, past: KeysValues | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Slots (B, S, C) -> digit logits, and the keys and values of these slots."""
        hidden, keys, values = self.transformer(slots, positions, mask, past)
        return self.logits(hidden), keys, values
