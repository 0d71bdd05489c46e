"""The stages of many speakers, each resumable: corpus -> decoder -> [encoder] -> [polish] -> tokens -> lm -> export.

They go on from voices that exist. Without `encoder` the tokens stay those of the codec that was unpacked, so that the voices with
rows of their own lose nothing: what learns is the decoder and the language model, which hear styles through matrices that begin
at zero. `encoder` lets the tokens change, where they do not carry enough of other speakers; `polish` trains the decoder against
discriminators. Each stage takes the latest codec there is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from voiceagent.errors import InputError
from voiceagent.model.config import CodecConfig, LanguageModelConfig
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.symbols import SYMBOLS
from voiceagent.model.voices import VoiceSpace
from voiceagent.model.weights import Voices, save
from voiceagent.training.adversarial import AdversarialTraining, train_adversarially
from voiceagent.training.codec import CodecTraining, train_codec
from voiceagent.training.export import codec_of, language_model_of, unpack
from voiceagent.training.language_model import LanguageModelTraining, train_language_model
from voiceagent.training.speakers.corpus import ROMANCE
from voiceagent.training.speakers.styles import STYLE_WIDTH, read_packs, style_cards
from voiceagent.training.tokens import tokenise

ODDS = {"heart": 0.2, "joe": 0.1, "en": 0.55, "zh": 0.15} | dict.fromkeys(
    ROMANCE, 0.03
)  # how often each folder of the corpus has its turn


@dataclass(frozen=True, slots=True)
class SpeakersRun:
    """Where everything of a training lies, and the shapes that it goes on from."""

    corpus: Path
    tokens: Path
    runs: Path
    space: VoiceSpace
    codec: CodecConfig
    language_model: LanguageModelConfig

    @classmethod
    def of(cls, data: Path, runs: Path, packs: Path, *, width: int = STYLE_WIDTH) -> SpeakersRun:
        """The run of the shapes that ship."""
        codec = replace(CodecConfig(), style_width=width)
        model = replace(LanguageModelConfig(), style_width=width, symbols=len(SYMBOLS))
        space = VoiceSpace.of(codec.voices, width, style_cards(read_packs(packs), width))
        return cls(data / "speech", data / "tokens", runs, space, codec, model)

    def folders(self, *, tokens: bool = False) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The folders that hold speech, or tokens, and how often each has its turn.

        Raises:
            InputError: there are none.
        """
        held, kind = (self.tokens, "tokens") if tokens else (self.corpus, "corpus")
        there = [name for name in ODDS if any((held / name).glob("????.npz" if tokens else "*.jsonl"))]
        if not there:
            raise InputError(f"nothing in {held}: run `voiceagent train speakers {kind}` first")
        total = sum(ODDS[name] for name in there)
        return tuple(there), tuple(ODDS[name] / total for name in there)

    def begin(self, voices: Path) -> None:
        """Unpack the voices that the training goes on from, once."""
        if not (self.runs / "begin" / "codec" / "last.pt").exists():
            unpack(voices, self.runs / "begin")

    def train_decoder(self, training: CodecTraining) -> None:
        """The decoder alone, on the speech of all voices."""
        folders, odds = self.folders()
        training = replace(training, decoder_only=True, folders=folders, odds=odds)
        start = self.runs / "begin" / "codec" / "last.pt"
        train_codec(self.corpus, self.runs / "decoder", self.codec, training, start=start, space=self.space)

    def train_encoder(self, training: CodecTraining) -> None:
        """Encoder and decoder together on the speech of all voices: the decoder hears the style, so that tokens need not carry it.

        Raises:
            InputError: there are tokens of the encoder before; a language model must not mix both.
        """
        if not (self.runs / "encoder" / "last.pt").exists() and any(self.tokens.glob("*/????.npz")):
            raise InputError(
                f"{self.tokens} has tokens of the encoder before: move the folder away, then train the encoder"
            )
        folders, odds = self.folders()
        training = replace(training, decoder_only=False, folders=folders, odds=odds)
        train_codec(
            self.corpus, self.runs / "encoder", self.codec, training, start=self._latest("decoder"), space=self.space
        )

    def polish(self, training: AdversarialTraining) -> None:
        """The decoder against its discriminators, on the speech of all voices."""
        folders, odds = self.folders()
        training = replace(training, folders=folders, odds=odds)
        start = self._latest("encoder", "decoder")
        train_adversarially(self.corpus, self.runs / "polish", self.codec, training, start=start, space=self.space)

    def _latest(self, *runs: str) -> Path:
        """The codec of the first of these runs that there is, else the one to go on from."""
        checkpoints = [self.runs / run / "last.pt" for run in runs]
        return next((path for path in checkpoints if path.exists()), self.runs / "begin" / "codec" / "last.pt")

    def tokenise(self) -> None:
        """Tokens of the speech that has none yet."""
        tokenise(codec_of(self._latest("encoder")), self.corpus, self.tokens, self.folders()[0])

    def train_language_model(self, training: LanguageModelTraining) -> None:
        """The language model on the tokens of all voices."""
        folders, odds = self.folders(tokens=True)
        training = replace(training, folders=folders, voice_odds=odds)
        start = self.runs / "begin" / "lm" / "last.pt"
        train_language_model(
            self.tokens, self.runs / "lm", self.language_model, training, start=start, space=self.space
        )

    def export(self, out: Path) -> None:
        """Write the averaged weights of decoder and language model, and a file a voice."""
        codec = codec_of(self._latest("polish", "encoder", "decoder"))
        model = language_model_of(self.runs / "lm" / "last.pt", self.language_model)
        save(
            out,
            Voices(
                codec,
                model,
                {name: DecodingOptions() for name in model.config.voices},
                tuple(self.space.cards.values()),
            ),
        )
