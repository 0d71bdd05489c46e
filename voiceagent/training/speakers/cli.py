"""`voiceagent train speakers ...`: one model for many voices, one command a stage, each resumable; `all` runs them in a row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceagent.errors import InputError

if TYPE_CHECKING:
    from voiceagent.training.speakers.stages import SpeakersRun

app = typer.Typer(
    help="Many voices in one model: corpus, decoder, encoder, polish, tokens, lm, export.", no_args_is_help=True
)

Text = Annotated[
    Path,
    typer.Option(
        help="Folder of *.txt.gz files, one sentence a line; `zh_...` are Mandarin, `es_...` Spanish, and so on."
    ),
]
Packs = Annotated[
    Path, typer.Option(help="Folder with the teacher's voices, NAME.bin: `voices` of the npm package kokoro-js.")
]
Data = Annotated[Path, typer.Option(help="Folder for speech and tokens.")]
Runs = Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")]
Base = Annotated[Path, typer.Option("--voices", help="Folder of voices to go on from.")]
Minutes = Annotated[float, typer.Option(help="Time to train for, in all; a later run goes on.")]

DATA, RUNS, PACKS = Path("data/speakers"), Path("runs/speakers"), Path("data/kokoro-voices")
VOICES = Path("voiceagent/voices")


def _run(data: Path, runs: Path, packs: Path) -> SpeakersRun:
    from voiceagent.training.speakers.stages import SpeakersRun

    return SpeakersRun.of(data, runs, packs)


@app.command()
def corpus(
    text: Text,
    packs: Packs = PACKS,
    data: Data = DATA,
    languages: Annotated[str, typer.Option(help="Which, with commas between them.")] = "en,zh",
    hours: Annotated[
        float, typer.Option(help="Hours of speech to make now; of heart and joe a tenth of it each.")
    ] = 10.0,
    processes: Annotated[int, typer.Option(help="Teachers that speak at once.")] = 2,
) -> None:
    """Let the teachers speak. Shards that exist are kept."""
    from voiceagent.training.corpus import make_corpus
    from voiceagent.training.sentences import read_lines
    from voiceagent.training.speakers.corpus import STOCK, make_speakers_corpus

    chosen = tuple(language.strip() for language in languages.split(","))
    if unknown := [language for language in chosen if language not in STOCK]:
        raise InputError(f"no voices for {', '.join(unknown)}: the languages are {', '.join(STOCK)}")
    for language in chosen:
        try:
            next(read_lines(text, language), None)
        except FileNotFoundError as error:
            raise InputError(str(error)) from error
    for voice in ("heart", "joe"):
        make_corpus(text, data / "speech", voice=voice, hours=hours / 10, processes=processes)
    make_speakers_corpus(text, packs, data / "speech", languages=chosen, hours=hours, processes=processes)


@app.command()
def decoder(
    packs: Packs = PACKS, data: Data = DATA, runs: Runs = RUNS, voices: Base = VOICES, minutes: Minutes = 120.0
) -> None:
    """Train the codec's decoder on all voices; the tokens stay as they are."""
    from voiceagent.training.codec import CodecTraining

    run = _run(data, runs, packs)
    run.begin(voices)
    run.train_decoder(CodecTraining(minutes=minutes, muon_lr=2e-3, tokens=44, batch=14))


@app.command()
def encoder(
    packs: Packs = PACKS, data: Data = DATA, runs: Runs = RUNS, voices: Base = VOICES, minutes: Minutes = 120.0
) -> None:
    """Train encoder and decoder together, where the tokens lack something of other speakers; before `tokens`."""
    from voiceagent.training.codec import CodecTraining

    run = _run(data, runs, packs)
    run.begin(voices)
    run.train_encoder(CodecTraining(minutes=minutes, muon_lr=1e-3, adamw_lr=7e-4, tokens=44, batch=14))


@app.command()
def polish(
    packs: Packs = PACKS, data: Data = DATA, runs: Runs = RUNS, voices: Base = VOICES, minutes: Minutes = 60.0
) -> None:
    """Train the decoder against discriminators, after `decoder` or `encoder`."""
    from voiceagent.training.adversarial import AdversarialTraining

    run = _run(data, runs, packs)
    run.begin(voices)
    run.polish(AdversarialTraining(minutes=minutes))


@app.command()
def tokens(packs: Packs = PACKS, data: Data = DATA, runs: Runs = RUNS, voices: Base = VOICES) -> None:
    """Turn the speech into tokens."""
    from voiceagent.training.device import use_device

    use_device(threads=1)
    run = _run(data, runs, packs)
    run.begin(voices)
    run.tokenise()


@app.command()
def lm(
    packs: Packs = PACKS, data: Data = DATA, runs: Runs = RUNS, voices: Base = VOICES, minutes: Minutes = 240.0
) -> None:
    """Train the language model on the tokens of all voices."""
    from voiceagent.training.language_model import LanguageModelTraining

    run = _run(data, runs, packs)
    run.begin(voices)
    run.train_language_model(LanguageModelTraining(minutes=minutes, muon_lr=1.5e-3, adamw_lr=1e-3))


@app.command()
def export(
    packs: Packs = PACKS,
    data: Data = DATA,
    runs: Runs = RUNS,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("voices-speakers"),
) -> None:
    """Write the averaged weights and a file a voice; `--weights` of the other commands reads the folder."""
    _run(data, runs, packs).export(out)


@app.command(name="all")
def everything(text: Text, packs: Packs = PACKS, data: Data = DATA, runs: Runs = RUNS, voices: Base = VOICES) -> None:
    """Every stage in a row but `encoder` and `polish`; what is done is not done again."""
    corpus(text, packs, data)
    decoder(packs, data, runs, voices)
    tokens(packs, data, runs, voices)
    lm(packs, data, runs, voices)
    export(packs, data, runs)
