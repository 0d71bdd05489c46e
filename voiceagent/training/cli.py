"""`voiceagent train ...`: from text to voices, one command a stage, each resumable.

corpus -> codec -> decoder -> tokens -> lm -> aligner -> export; `all` runs them in a row.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceagent.training.speakers.cli import app as speakers

if TYPE_CHECKING:
    from voiceagent.training.language_model import LanguageModelTraining
    from voiceagent.training.prefix.train import PrefixTraining

app = typer.Typer(help="Make voices: corpus, codec, tokens, lm, export.", no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="Folder for speech and tokens.")]
Runs = Annotated[Path, typer.Option(help="Folder for checkpoints, logs and curves.")]
Text = Annotated[
    Path | None,
    typer.Option(help="Folder of *.txt.gz files, one sentence a line; without it, made-up sentences alone."),
]
Minutes = Annotated[float, typer.Option(help="Time to train for, in all; a later run goes on.")]
Threads = Annotated[int, typer.Option(help="Threads of the tensor library.")]

Rate = Annotated[float, typer.Option(help="Learning rates times this; 0.5 suits a training that goes on.")]


class Layout(StrEnum):
    """Where the text of the language model stands."""

    ALIGNED = "aligned"
    PREFIX = "prefix"

    def name_of(self, run: str) -> str:
        """The folder of a run: that of the layout that ships has the plain name."""
        return run if self is Layout.ALIGNED else f"{run}-{self}"


Where = Annotated[
    Layout, typer.Option("--layout", help="Text aligned with the speech, as it ships, or before it, as in the paper.")
]

DATA, RUNS = Path("data"), Path("runs")
VOICES = ("heart", "joe")


def _need(path: Path, made_by: str) -> None:
    if not path.exists():
        raise typer.BadParameter(f"{path} is not there: run `voiceagent train {made_by}` first")


app.add_typer(speakers, name="speakers")


@app.command()
def corpus(
    text: Text = None,
    data: Data = DATA,
    heart_hours: Annotated[float, typer.Option(help="Hours of speech of heart.")] = 40.0,
    joe_hours: Annotated[float, typer.Option(help="Hours of speech of joe.")] = 15.0,
    processes: Annotated[int, typer.Option(help="Teachers that speak at once.")] = 2,
) -> None:
    """Let the teachers speak. Shards that exist are kept."""
    from voiceagent.training.corpus import make_corpus

    if text is not None and not sorted(text.glob("*.txt.gz")):
        raise typer.BadParameter(f"no *.txt.gz files of sentences in {text}: give a folder of such files with --text")
    for voice, hours in zip(VOICES, (heart_hours, joe_hours), strict=True):
        make_corpus(text, data / "corpus", voice=voice, hours=hours, processes=processes)


@app.command()
def codec(data: Data = DATA, runs: Runs = RUNS, minutes: Minutes = 42.0, threads: Threads = 1) -> None:
    """Train encoder and decoder of the speech codec together."""
    from voiceagent.model.config import CodecConfig
    from voiceagent.training.codec import CodecTraining, train_codec
    from voiceagent.training.plots import draw_curves

    _need(data / "corpus" / VOICES[0], "corpus")
    train_codec(data / "corpus", runs / "codec", CodecConfig(), CodecTraining(minutes=minutes, threads=threads))
    draw_curves([runs / "codec"], runs / "codec" / "curves.png")


@app.command()
def decoder(
    data: Data = DATA,
    runs: Runs = RUNS,
    minutes: Minutes = 27.0,
    threads: Threads = 1,
    adversarial: Annotated[
        bool, typer.Option(help="Against discriminators; after the plain stage, if that was run.")
    ] = False,
) -> None:
    """Train the decoder further; the tokens do not change, so the language model can be trained meanwhile."""
    from voiceagent.model.config import CodecConfig
    from voiceagent.training.adversarial import AdversarialTraining, train_adversarially
    from voiceagent.training.codec import CodecTraining, train_codec
    from voiceagent.training.plots import draw_curves

    _need(runs / "codec" / "last.pt", "codec")
    if adversarial:
        start, run = _newest(runs, "decoder", "codec"), runs / "adversarial"
        train_adversarially(
            data / "corpus", run, CodecConfig(), AdversarialTraining(minutes=minutes, threads=threads), start=start
        )
    else:
        run = runs / "decoder"
        options = CodecTraining(minutes=minutes, threads=threads, decoder_only=True, muon_lr=2e-3, tokens=44, batch=14)
        train_codec(data / "corpus", run, CodecConfig(), options, start=runs / "codec" / "last.pt")
    draw_curves([run], run / "curves.png")


def _newest(runs: Path, *stages: str) -> Path:
    """The checkpoint of the first of these stages that was run."""
    return next(path for stage in stages if (path := runs / stage / "last.pt").exists())


@app.command()
def tokens(data: Data = DATA, runs: Runs = RUNS) -> None:
    """Turn the corpus into tokens, with the codec of the first stage: later stages do not change them."""
    from voiceagent.training.device import use_device
    from voiceagent.training.export import codec_of
    from voiceagent.training.tokens import tokenise

    _need(runs / "codec" / "last.pt", "codec")
    use_device(threads=1)
    tokenise(codec_of(runs / "codec" / "last.pt"), data / "corpus", data / "tokens")


@app.command()
def lm(data: Data = DATA, runs: Runs = RUNS, minutes: Minutes = 70.0, threads: Threads = 1, rate: Rate = 1.0) -> None:
    """Train the speech language model."""
    _train_lm(data, runs / "lm", _options(Layout.ALIGNED, minutes, threads, rate))


@app.command()
def parent(
    data: Data = DATA,
    runs: Runs = RUNS,
    minutes: Minutes = 70.0,
    threads: Threads = 1,
    rate: Rate = 1.0,
    layout: Where = Layout.ALIGNED,
) -> None:
    """Train the autoregressive parent: the same network under a causal mask. The run is `parent` or `parent-prefix`."""
    options = replace(_options(layout, minutes, threads, rate), masks=("causal",))
    _train_lm(data, runs / layout.name_of("parent"), options)


@app.command()
def convert(
    data: Data = DATA,
    runs: Runs = RUNS,
    minutes: Minutes = 35.0,
    threads: Threads = 1,
    rate: Rate = 1.0,
    scratch: Annotated[bool, typer.Option(help="Begin with random weights instead of the parent's.")] = False,
    shift: Annotated[bool, typer.Option(help="Slot i holds token i - 1, as in the parent; else token i.")] = True,
    offline: Annotated[bool, typer.Option(help="The bidirectional mask alone, as in the paper.")] = False,
    keep: Annotated[str, typer.Option(help="Steps whose averaged weights stay, as 50,100,200.")] = "",
    layout: Where = Layout.ALIGNED,
) -> None:
    """Turn the parent into a masked diffusion model: its weights, a [MASK] row, both masks, 1/t loss.

    The run is `converted`; with --scratch it is `scratch`, with --no-shift `unshifted`: what the conversion is compared with.
    With --layout prefix, `-prefix` follows the name. `mix` goes on from a run that was converted with --offline.
    """
    if not shift and not offline:
        raise typer.BadParameter("a block needs the token before it in its first slot: --no-shift goes with --offline")
    if scratch and not shift:
        raise typer.BadParameter("one ablation at a time: --scratch or --no-shift")
    if not all(step.isdecimal() for step in keep.split(",") if keep):
        raise typer.BadParameter(f"--keep {keep!r}: whole numbers with commas between them, as 50,100,200")
    start = None if scratch else runs / layout.name_of("parent") / "last.pt"
    if start:
        _need(start, "parent" if layout is Layout.ALIGNED else f"parent --layout {layout}")
    options = _options(layout, minutes, threads, rate, shift=shift)
    options = replace(options, keep=tuple(int(step) for step in keep.split(",") if keep))
    if offline:
        options = replace(options, masks=("offline",))
    name = "scratch" if scratch else "converted" if shift else "unshifted"
    _train_lm(data, runs / layout.name_of(name), options, start)


@app.command()
def mix(
    data: Data = DATA,
    runs: Runs = RUNS,
    minutes: Minutes = 35.0,
    threads: Threads = 1,
    rate: Rate = 1.0,
    layout: Where = Layout.ALIGNED,
) -> None:
    """Go on from `converted` with both masks in turn, so that one model speaks whole texts and streams. The run is `mixed`.

    In the prefix layout the text of a stream arrives chunk by chunk, as speech does.
    """
    start = runs / layout.name_of("converted") / "last.pt"
    _need(start, "convert --offline" if layout is Layout.ALIGNED else f"convert --offline --layout {layout}")
    _train_lm(data, runs / layout.name_of("mixed"), _options(layout, minutes, threads, rate), start)


def _options(
    layout: Layout, minutes: float, threads: int, rate: float, *, shift: bool = True
) -> LanguageModelTraining | PrefixTraining:
    from voiceagent.training.language_model import LanguageModelTraining
    from voiceagent.training.prefix.train import PrefixTraining

    shape = LanguageModelTraining() if layout is Layout.ALIGNED else PrefixTraining()
    shape = replace(shape, minutes=minutes, threads=threads, shift=shift)
    return replace(shape, muon_lr=rate * shape.muon_lr, adamw_lr=rate * shape.adamw_lr)


def _train_lm(
    data: Path, run: Path, options: LanguageModelTraining | PrefixTraining, start: Path | None = None
) -> None:
    from voiceagent.model.config import LanguageModelConfig
    from voiceagent.training.language_model import train_language_model
    from voiceagent.training.plots import draw_curves
    from voiceagent.training.prefix.layout import CONFIG
    from voiceagent.training.prefix.train import PrefixTraining, train_prefix

    _need(data / "tokens" / VOICES[0], "tokens")
    if isinstance(options, PrefixTraining):
        train_prefix(data / "tokens", run, CONFIG, options, start=start)
    else:
        train_language_model(data / "tokens", run, LanguageModelConfig(), options, start=start)
    draw_curves([run], run / "curves.png")


@app.command()
def aligner(data: Data = DATA, runs: Runs = RUNS, minutes: Minutes = 4.0, threads: Threads = 1) -> None:
    """Train what finds the times of words in recordings, for editing."""
    from voiceagent.model.config import CodecConfig
    from voiceagent.training.aligner import AlignerTraining, train_aligner
    from voiceagent.training.plots import draw_curves

    _need(data / "tokens" / VOICES[0], "tokens")
    options = AlignerTraining(minutes=minutes, threads=threads)
    train_aligner(data / "tokens", runs / "aligner", options, levels=CodecConfig().levels, voices=VOICES)
    draw_curves([runs / "aligner"], runs / "aligner" / "curves.png")


@app.command()
def export(
    runs: Runs = RUNS,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("voiceagent/voices"),
) -> None:
    """Write the averaged weights as a folder of voices."""
    from voiceagent.model.decode.options import DecodingOptions
    from voiceagent.training import export as exporting

    _need(runs / "lm" / "last.pt", "lm")
    _need(runs / "codec" / "last.pt", "codec")
    chosen = _newest(runs, "adversarial", "decoder", "codec")
    exporting.export(chosen, runs / "lm" / "last.pt", out, {voice: DecodingOptions() for voice in VOICES})
    if (runs / "aligner" / "last.pt").exists():
        exporting.export_aligner(runs / "aligner" / "last.pt", out)
    graphs(out)


@app.command()
def graphs(
    voices: Annotated[Path, typer.Argument(help="Folder of voices.")] = Path("voiceagent/voices"),
) -> None:
    """Write the graphs that ONNX Runtime speaks a folder of voices with; `export` does it by itself."""
    from voiceagent.training.graphs import export_graphs

    export_graphs(voices)


@app.command()
def unpack(
    runs: Runs = RUNS,
    voices: Annotated[Path, typer.Option(help="Folder of voices to go on from.")] = Path("voiceagent/voices"),
) -> None:
    """Make checkpoints of voices that exist, so that codec, decoder, tokens and lm go on from them."""
    from voiceagent.training import export as exporting

    for stage in ("codec", "lm"):
        if (runs / stage / "last.pt").exists():
            raise typer.BadParameter(f"{runs / stage / 'last.pt'} is there already: name another folder with --runs")
    exporting.unpack(voices, runs)


@app.command()
def words(
    text: Annotated[Path, typer.Option(help="Folder of *.txt.gz files of English, one sentence a line.")],
    homographs: Annotated[Path, typer.Option(help="Folder `data` of the Wikipedia homograph data.")],
    out: Annotated[Path, typer.Option(help="Folder to write; copy into voiceagent/text/phonemes to use.")] = RUNS
    / "words",
) -> None:
    """Make the tables that tell homographs apart; four minutes. A table that is there is kept."""
    from voiceagent.training import homographs as contexts
    from voiceagent.training import word_class

    if not sorted(text.glob("*.txt.gz")):
        raise typer.BadParameter(f"no *.txt.gz files of sentences in {text}: give a folder of such files with --text")
    if not (homographs / "wordids.tsv").exists():
        raise typer.BadParameter(f"{homographs / 'wordids.tsv'} is not there: give the folder `data` of a clone")
    out.mkdir(parents=True, exist_ok=True)
    classes, context = out / "word_class.tsv", out / "homograph_context.tsv"
    if not classes.exists():
        word_class.make_table(text, classes)
    if not context.exists():
        right = contexts.make_table(homographs, context, classes=classes)
        typer.echo(f"{right:.2%} of marked sentences are said as marked, each by a table made without it")


@app.command(name="all")
def everything(text: Text = None, data: Data = DATA, runs: Runs = RUNS) -> None:
    """Every stage in a row, but for `decoder --adversarial`, which the voices that ship had besides; about three hours."""
    corpus(text, data)
    codec(data, runs)
    decoder(data, runs)
    tokens(data, runs)
    lm(data, runs)
    aligner(data, runs)
    export(runs)
