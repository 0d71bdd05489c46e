"""The second layout: text in the sequence, as in LLaDA-TTS (arXiv 2603.26364) and CosyVoice 3 (arXiv 2505.17589).

    [phonemes of the text; voice; token 0 .. token T - 2]

Label shift: the slot that holds token i - 1 predicts token i, and the slot of the voice token 0. How many tokens there are is
given. Where in the text a token is the model has to find by attention. Rotary positions make that easy to learn: phonemes are
spread evenly over the positions of the speech, phoneme p of P at the place of token (p + 1/2) T / P, so that what is said at a
token stands near it.

Who sees whom, with one set of weights: everything (offline, the paper's), the past (the parent), or blocks and what was before
them (streaming, prefix_stream.py). In the last two the text sees nothing but the text, so that its keys and values are computed
once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voiceagent.model.codec.layers import ContextBlock
from voiceagent.model.config import LanguageModelConfig
from voiceagent.model.decode.infill import Confidence, OnCommit, unmask
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.reference import propose
from voiceagent.model.lm.language_model import TokenModel
from voiceagent.model.lm.transformer import KeysValues, Transformer, attention_weights, rotary
from voiceagent.model.symbols import ENGLISH
from voiceagent.training.prefix.autoregressive import Sampling, generate

CONFIG = LanguageModelConfig(context_tokens=1024)  # text and speech of a whole utterance
SPEAK = ENGLISH  # in a stream, after the last phoneme that is to be said now


class PrefixLanguageModel(TokenModel):
    """Predicts every masked token from the text and the tokens around it; of `config` the encoder of the text is not used."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__(config)
        width, codes = config.speech.width, sum(config.levels)
        self.symbol = nn.Embedding(ENGLISH + 1, width)  # the last is <speak>
        self.mix = ContextBlock(width, width, left=1, right=1)
        self.digit = nn.Embedding(codes + 2, width)
        self.voice = nn.Embedding(len(config.voices), width)
        self.transformer = Transformer(config.speech)
        self.out = nn.Linear(width, codes)

    def text(self, phonemes: Tensor, present: Tensor) -> Tensor:
        """Slots of the text: (B, P), which of them are there (B, P) -> (B, P, C). Neighbours are mixed in."""
        rows: Tensor = self.symbol(phonemes) * present[..., None]
        mixed: Tensor = self.mix(rows)[0]
        return mixed

    def speech(self, digits: Tensor, masked: Tensor, voice: Tensor, *, shift: bool = True) -> Tensor:
        """Slots of the voice and of all tokens but the last: (B, T, 6), which are masked (B, T), (B,) -> (B, T, C).

        Without `shift` (an ablation) the slots are those of all tokens.
        """
        held, hidden, begin = digits, masked, torch.zeros_like(masked)
        if shift:
            held = nn.functional.pad(digits[:, :-1], (0, 0, 1, 0))
            hidden = nn.functional.pad(masked[:, :-1], (1, 0))
            begin[:, 0] = True
        slots: Tensor = self.embed(held, hidden, begin) + self.voice(voice)[:, None]
        return slots

    def forward(
        self, text: Tensor, speech: Tensor, positions: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Slots (B, P, C), (B, S, C), positions (B, 1, P + S), mask (B, 1, 1 or P + S, P + S) -> digit logits of the speech."""
        hidden, _, _ = self.transformer(torch.cat((text, speech), 1), positions, mask)
        return self.logits(hidden[:, text.shape[1] :])


def positions(present: Tensor, spoken: Tensor) -> Tensor:
    """Rotary positions of text and speech: which phonemes (B, P) and which tokens (B, T) are there -> (B, 1, P + T)."""
    phonemes, tokens = present.sum(1, keepdim=True), spoken.sum(1, keepdim=True)
    text = (torch.arange(present.shape[1], device=present.device) + 0.5) * tokens / phonemes - 0.5
    speech = torch.arange(spoken.shape[1], device=present.device).expand_as(spoken)
    return torch.cat((text, speech.to(text.dtype)), 1)[:, None]


def visible(present: Tensor, spoken: Tensor, seen: Tensor | None, arrival: Tensor | None = None) -> Tensor:
    """Who sees whom: phonemes (B, P) and speech slots (B, S) that are there, who sees whom among the latter (.., S, S) -> a mask.

    Without `seen` everything sees everything, (B, 1, 1, P + S). With it the text sees the text alone, (B, 1, P + S, P + S), and
    nothing sees text that came later, where `arrival` (B, P + S) says with which stretch of a stream each slot came.
    """
    there = torch.cat((present, spoken), 1)
    if seen is None:
        return there[:, None, None]
    phonemes = present.shape[1]
    came = torch.zeros(there.shape, device=there.device) if arrival is None else arrival
    to_text = came[:, :, None] >= came[:, None, :phonemes]
    to_speech = nn.functional.pad(seen, (0, 0, phonemes, 0)).expand(len(there), -1, -1)
    return (torch.cat((to_text, to_speech), 2) & there[:, None])[:, None]


def _alone(phonemes: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """Everything is there in a batch of one."""
    return torch.ones_like(phonemes[None], dtype=torch.bool), torch.ones(1, tokens, dtype=torch.bool)


@torch.inference_mode()
def fill_prefix(
    model: PrefixLanguageModel,
    phonemes: Tensor,
    voice: int,
    tokens: int,
    options: DecodingOptions,
    confidence: Confidence = propose,
    *,
    seed: int = 0,
    on_commit: OnCommit | None = None,
) -> tuple[Tensor, int]:
    """A whole utterance with everything in view: phonemes (P,) -> tokens (`tokens`, 6) and the number of forward passes."""
    present, spoken = _alone(phonemes, tokens)
    where, speaker = positions(present, spoken), torch.tensor([voice])
    text = model.text(phonemes[None], present)

    def predict(digits: Tensor, masked: Tensor) -> Tensor:
        return torch.cat(model(text, model.speech(digits[None], masked[None], speaker), where), -1)[0]

    nothing = torch.zeros(tokens, len(model.config.levels), dtype=torch.long)
    return unmask(model, predict, nothing, spoken[0], options, confidence, seed=seed, on_commit=on_commit)


@torch.inference_mode()
def read(model: PrefixLanguageModel, phonemes: Tensor, tokens: int) -> KeysValues:
    """What causal and block-causal decoding begin with: the keys and values of the text (P,) of `tokens` tokens; one pass."""
    present, spoken = _alone(phonemes, tokens)
    where = positions(present, spoken)[..., : len(phonemes)]
    _, keys, values = model.transformer(model.text(phonemes[None], present), where)
    return KeysValues(keys, values)


@torch.inference_mode()
def generate_prefix(
    model: PrefixLanguageModel,
    phonemes: Tensor,
    voice: int,
    tokens: int,
    sampling: Sampling,
    *,
    seed: int = 0,
    packed: PackedModel | None = None,
) -> tuple[Tensor, int]:
    """The autoregressive parent with its cache: phonemes (P,) -> tokens (`tokens`, 6) and the number of forward passes.

    `packed` is the model laid out for decoding, where it is at hand.
    """
    heard = model.voice.weight[voice].expand(tokens, -1)
    digits, passes = generate(
        packed or PackedModel(model), heard, sampling, seed=seed, text=read(model, phonemes, tokens)
    )
    return digits, passes + 1


@torch.inference_mode()
def attention_maps(model: PrefixLanguageModel, phonemes: Tensor, voice: int, digits: Tensor) -> Tensor:
    """Where known speech (n, 6) of a text (P,) looks, everything in view: (layers, heads, n, P).

    Row i is the slot that predicts token i; what a row looks at of the speech is left out, so rows sum to less than one.
    """
    present, spoken = _alone(phonemes, len(digits))
    config = model.config.speech
    rope = rotary(positions(present, spoken), config.width // config.heads, config.rope_base)
    speech = model.speech(digits[None], torch.zeros_like(spoken), torch.tensor([voice]))
    x, maps = torch.cat((model.text(phonemes[None], present), speech), 1), []
    for block in model.transformer.layers:
        query, key, _ = block.project(x, rope)  # type: ignore[operator]  # ModuleList
        weights = attention_weights(query, key, None)[0].flatten(0, 1)
        maps.append(weights[:, len(phonemes) :, : len(phonemes)])
        x, _, _ = block(x, rope, None, None)
    return torch.stack(maps)
