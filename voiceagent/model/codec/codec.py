"""Speech codec: 24 kHz waveform -> 25 Hz tokens of six digits -> waveform.

The encoder sees a log-mel spectrogram and is used for training, editing and cloning only. The decoder streams: token
frames at 25 Hz, feature frames at 100 Hz, then source-filter synthesis (vocoder.py). It looks at most 3 tokens (120 ms)
ahead.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.model.codec import vocoder as source
from voiceagent.model.codec.constants import BINS, BRANCHES, FRAMES_PER_TOKEN, HOP, SAMPLES_PER_TOKEN
from voiceagent.model.codec.delivery import DeliveryState, Floats, deliver, plain_rows
from voiceagent.model.codec.layers import Context, ContextBlock, FrameStack
from voiceagent.model.codec.passes import in_passes
from voiceagent.model.codec.quantizer import FiniteScalarQuantizer
from voiceagent.model.codec.source_stream import stream
from voiceagent.model.config import CodecConfig
from voiceagent.model.runtime_values import SoundState
from voiceagent.model.voice_table import VoiceTable

MEL_FFT = 1024
LOG_FLOOR = 4e-5  # about -88 dBFS: below it nothing is audible, and codes should not go there


def mel_filters(mels: int, n_fft: int, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Tensor:
    """Triangles on the HTK mel scale, (mels, n_fft // 2 + 1), each of unit area in bins."""
    top = 2595 * torch.log10(torch.tensor(1 + sample_rate_hz / 2 / 700))
    edges_hz = 700 * (10 ** (torch.linspace(0, 1, mels + 2) * top / 2595) - 1)
    bins_hz = torch.linspace(0, sample_rate_hz / 2, n_fft // 2 + 1)
    rising = (bins_hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp_min(0)
    return triangles / triangles.sum(1, keepdim=True).clamp_min(1e-8)


class LogMel(nn.Module):
    """Waveform (B, n) -> log-mel (B, T, mels) at 100 Hz, T = n // 240."""

    filters: Tensor
    window: Tensor

    def __init__(self, mels: int) -> None:
        super().__init__()
        self.register_buffer("filters", mel_filters(mels, MEL_FFT), persistent=False)
        self.register_buffer("window", torch.hann_window(MEL_FFT), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        pad = (MEL_FFT - HOP) // 2
        frames = F.pad(samples, (pad, pad)).unfold(1, MEL_FFT, HOP)
        magnitude = torch.fft.rfft(frames * self.window).abs() / (MEL_FFT / 4)
        return torch.log(magnitude @ self.filters.T + LOG_FLOOR)


class Encoder(nn.Module):
    """Log-mel -> unquantised latents (B, T // 4, 6). Looks both ways; it never streams."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        narrow, wide = config.encoder_frame_width, config.encoder_width
        self.mel = LogMel(config.mels)
        self.into = nn.Linear(config.mels, narrow)
        self.frames = FrameStack(*(ContextBlock(narrow, 2 * narrow, left=1, right=1) for _ in range(2)))
        self.down = nn.Linear(FRAMES_PER_TOKEN * narrow, wide)
        self.tokens = FrameStack(*(ContextBlock(wide, 2 * wide, left=1, right=1) for _ in range(3)))
        self.norm = nn.RMSNorm(wide, eps=1e-6)
        self.out = nn.Linear(wide, len(config.levels))

    def forward(self, samples: Tensor) -> Tensor:
        """Waveform (B, n), n a multiple of 960 -> (B, n // 960, 6)."""
        x, _ = self.frames(self.into((self.mel(samples) + 5.0) / 3.0))
        x = self.down(x.unflatten(1, (-1, FRAMES_PER_TOKEN)).flatten(2))
        x, _ = self.tokens(x)
        latents: Tensor = self.out(self.norm(x))
        return latents * 2.0


@dataclass(frozen=True, slots=True)
class DecoderState(SoundState):
    """Where a stream stands; None before the first token.

    delivery: None while nothing of the stream is delivered otherwise than its tokens say.
    """

    tokens: Context | None
    frames: Context | None
    source: source.SourceState
    delivery: DeliveryState | None = None


@dataclass(frozen=True, slots=True)
class StreamPart:
    """The next tokens of one stream, to be decoded together with others'.

    rows: how their frames are delivered (delivery.py); None as they are.
    """

    digits: Tensor  # (T, 6)
    voice: str | Tensor | None  # a row's name, a vector (V,), or None: any voice
    state: DecoderState | None
    final: bool
    rows: Floats | None = None  # (T * FRAMES_PER_TOKEN, delivery.ROW)
    liveliness: float = 1.0

    def standing(self) -> Hashable:
        """Streams of equal standing have tensors of equal shapes, so that they can share a pass; a delivery has its
        own.
        """
        state = self.state
        if self.rows is not None or (state is not None and state.delivery is not None):
            return id(self)
        if state is None:
            return len(self.digits), self.final
        shapes = [None if t is None else t.shape[1:] for t in (*(state.tokens or ()), *(state.frames or ()))]
        source_ = state.source
        shapes += [t.shape[1:] for t in (source_.f0_hz, source_.pulses, source_.filters)]
        return len(self.digits), self.final, source_.frames_done[0] == 0, *shapes


def join(states: Sequence[DecoderState]) -> DecoderState | None:
    """States of equal standing as one state of a batch; of none, None."""
    if len(states) <= 1:
        return states[0] if states else None

    def rows(contexts: Iterable[Context | None]) -> Context | None:
        layers = zip(*(context or () for context in contexts), strict=True)
        return tuple(None if layer[0] is None else torch.cat([t for t in layer if t is not None]) for layer in layers)

    return DecoderState(
        rows(state.tokens for state in states),
        rows(state.frames for state in states),
        source.join([state.source for state in states]),
    )


def split(state: DecoderState, count: int) -> list[DecoderState]:
    """The inverse of `join`."""

    def row(context: Context | None, index: int) -> Context | None:
        return context and tuple(None if t is None else t[index : index + 1] for t in context)

    parts = source.split(state.source)
    return [DecoderState(row(state.tokens, i), row(state.frames, i), parts[i], state.delivery) for i in range(count)]


class Decoder(nn.Module):
    """Quantised values (B, T, 6) -> filters and F0 at 100 Hz -> waveform."""

    noise: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        wide, narrow = config.token_width, config.frame_width
        self.into = nn.Linear(len(config.levels), wide)
        self.voice = VoiceTable(len(config.voices), config.style_width, wide, any_voice=True)
        self.tokens = FrameStack(
            *(
                ContextBlock(wide, 2 * wide, left=left, right=right)
                for left, right in zip(config.token_left, config.token_right, strict=True)
            )
        )
        self.up = nn.Linear(wide, FRAMES_PER_TOKEN * narrow)
        self.frame_voice = VoiceTable(0, config.style_width, narrow) if config.style_width else None
        self.frames = FrameStack(*(ContextBlock(narrow, 2 * narrow, dilation=d) for d in config.frame_dilations))
        self.norm = nn.RMSNorm(narrow, eps=1e-6)
        self.filters = nn.Linear(narrow, BRANCHES * BINS)
        self.pitch = nn.Linear(narrow, 2)  # log F0 relative to 150 Hz, voicing logit
        with torch.no_grad():
            self.filters.weight.mul_(0.1)
            self.filters.bias.copy_(torch.tensor([-3.0, -5.0, 0.0]).repeat_interleave(BINS))
        self.register_buffer("noise", source.noise_table(torch.device("cpu")), persistent=False)

    def features(
        self, values: Tensor, voice: Tensor, state: DecoderState | None = None, *, final: bool = True
    ) -> tuple[Tensor, Tensor, Context, Context]:
        """(B, T, 6), voices (B, V) -> filters (B, F, 3, BINS), pitch (B, F, 2), and the contexts of both stacks."""
        x = self.into(values) + self.voice(voice)[:, None]
        x, token_context = self.tokens(x, state.tokens if state else None, final=final)
        x = self.up(x).unflatten(2, (FRAMES_PER_TOKEN, -1)).flatten(1, 2)
        if self.frame_voice is not None and voice.is_floating_point():
            x = x + self.frame_voice(voice[:, -self.frame_voice.style_width :])[:, None]
        x, frame_context = self.frames(x, state.frames if state else None, final=final)
        x = self.norm(x)
        return (
            self.filters(x).float().unflatten(2, (BRANCHES, BINS)),
            self.pitch(x).float(),
            token_context,
            frame_context,
        )

    @staticmethod
    def f0_hz(pitch: Tensor) -> Tensor:
        """(B, F, 2) -> (B, F), 0 where unvoiced."""
        f0 = 150.0 * pitch[..., 0].clamp(-1.5, 1.5).exp()
        # on a grid of 1/64 Hz: the last bits of a product depend on its shape, and a phase would add them up
        return torch.where(pitch[..., 1] > 0, torch.round(f0 * 64) / 64, 0.0)

    def stream(
        self,
        values: Tensor,
        voice: Tensor,
        state: DecoderState | None,
        *,
        final: bool,
        rows: Floats | None = None,
        liveliness: float = 1.0,
    ) -> tuple[Tensor, DecoderState]:
        """The next tokens of a stream (B, T, 6) -> the samples that no later token can change, and the next state.

        `rows` say how the frames of these tokens are delivered; streams with a delivery come alone (B = 1).
        """
        filters, pitch, tokens, frames = self.features(values, voice, state, final=final)
        synthesis = source.Synthesis(self.noise)
        before = state.source if state else synthesis.start(values.shape[0])
        f0_hz = self.f0_hz(pitch)
        delivery = state.delivery if state else None
        if rows is not None or delivery is not None:
            delivery = delivery or DeliveryState(plain_rows(self._frames_due(state)))
            rows = plain_rows(values.shape[1] * FRAMES_PER_TOKEN) if rows is None else rows
            made, delivery = deliver(f0_hz[0].cpu().numpy(), rows, delivery, liveliness)
            copies, pitched, gain = (torch.from_numpy(part).to(filters.device) for part in made)
            filters = filters + F.pad(gain[None, :, None, None].expand(-1, -1, 2, 1), (0, 0, 0, 1))  # phases have none
            filters, f0_hz = filters.repeat_interleave(copies, 1), pitched[None].repeat_interleave(copies, 1)
        samples, after = stream(synthesis, before, filters, f0_hz, final=final)
        return samples, DecoderState(tokens, frames, after, delivery)

    def _frames_due(self, state: DecoderState | None) -> int:
        """Frames of tokens that have come and wait for those to their right."""
        if state is None or state.tokens is None:
            return 0
        blocks = (block for block in self.tokens.blocks if isinstance(block, ContextBlock))
        kept = zip(state.tokens, blocks, strict=True)
        due = sum(x.shape[1] - block.left * block.dilation for x, block in kept if x is not None)
        return FRAMES_PER_TOKEN * due


class Codec(nn.Module):
    """Both halves and the quantiser between them."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.quantizer = FiniteScalarQuantizer(config.levels)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def voice_vectors(self, voice: str | Tensor | None, batch: int = 1) -> Tensor:
        """A row's name, a vector (V,), or None for any voice -> vectors (batch, V)."""
        if voice is None or isinstance(voice, str):
            made = torch.zeros(len(self.config.voices) + self.config.style_width)
            if voice is not None:
                made[self.config.voices.index(voice)] = 1.0
            voice = made
        return voice.to(self.decoder.noise.device).expand(batch, -1)

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """Waveform (B, n) in [-1, 1] at 24 kHz -> digits (B, ceil(n / 960), 6); the end is padded with silence."""
        samples = F.pad(samples, (0, -samples.shape[1] % SAMPLES_PER_TOKEN))
        return self.quantizer.digits(self.quantizer(self.encoder(samples)))

    @torch.no_grad()
    def decode(self, digits: Tensor, voice: str | Tensor | None) -> Tensor:
        """Digits (B, T, 6) -> waveform (B, T * 960)."""
        samples, _ = self.decode_stream(digits, voice, None, final=True)
        return samples

    @torch.no_grad()
    def decode_stream(
        self, digits: Tensor, voice: str | Tensor | None, state: DecoderState | None, *, final: bool
    ) -> tuple[Tensor, DecoderState]:
        """The next digits (B, T, 6) of a stream -> the samples that are complete, and the state for the next call.

        Joined, the samples of all calls equal those of `decode`. The last call says `final=True`; it may bring no
        tokens.
        """
        values = self.quantizer.values(digits)
        return self.decoder.stream(values, self.voice_vectors(voice, digits.shape[0]), state, final=final)

    @torch.no_grad()
    def decode_streams(self, parts: Sequence[StreamPart]) -> list[tuple[Tensor, DecoderState]]:
        """`decode_stream` for many streams -> samples (n,) and the next state of each; those that stand alike share a
        pass.
        """

        def decode(group: list[StreamPart]) -> Iterable[tuple[Tensor, DecoderState]]:
            values = self.quantizer.values(torch.stack([part.digits for part in group]))
            voice = torch.cat([self.voice_vectors(part.voice) for part in group])
            state = join([part.state for part in group if part.state is not None])
            first = group[0]
            samples, after = self.decoder.stream(
                values, voice, state, final=first.final, rows=first.rows, liveliness=first.liveliness
            )
            return zip(samples, split(after, len(group)), strict=True)

        return in_passes(parts, StreamPart.standing, decode)
