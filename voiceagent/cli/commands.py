"""The `voiceagent` command. What the component finds wrong is a line on standard error; status 2 is a mistake of the user's."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import runpy
import sys
from collections.abc import AsyncIterable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from voiceagent.cli.edit import edit
from voiceagent.cli.key import key
from voiceagent.cli.options import (
    Language,
    Liveliness,
    OutputDevice,
    Pitch,
    Policy,
    Seed,
    Speed,
    Steps,
    Voice,
    VolumeDb,
    Weights,
    Words,
    check_readable,
    make_agent,
    notes,
    speak_options,
    standard_input,
)
from voiceagent.cli.run import end_in_order, run
from voiceagent.cli.serve import serve
from voiceagent.cli.talk import chat, talk
from voiceagent.errors import AudioDeviceError, InputError, SynthesisError, VoiceAgentError
from voiceagent.errors.extras import install_hint
from voiceagent.options import AUTO, DEFAULT_VOICE, SpeakOptions
from voiceagent.version import __version__

if TYPE_CHECKING:
    from voiceagent.agent import VoiceAgent
    from voiceagent.audio.speech_file import SpeechFile

FAILED, MISUSED = 1, 2
# Why standard output may take nothing: a full disk, a reader that has gone, a device that fails, one that is closed.
NO_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE, errno.EIO, errno.EBADF)
BENCHES = (
    "quality",
    "first_word",
    "settings",
    "latency",
    "buffering",
    "codec",
    "underruns",
    "cancels",
    "editing",
    "paper",
    "engine",
    "load",
    "gpu",
    "precision",
    "threads",
)
OUTPUT_HELP = "File: .wav, .mp3, .opus, .aac or .flac; - is standard output. Left out, it is played."
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


class _Commands(TyperGroup):
    """Turns the errors that the component raises on purpose into a line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except VoiceAgentError as error:
            typer.echo(f"voiceagent: {error}", err=True)
            raise typer.Exit(FAILED if isinstance(error, SynthesisError) else MISUSED) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Speech for a chatbot while it is still thinking: text streams in, speech streams out.",
)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Speech for a chatbot while it is still thinking: text streams in, speech streams out."""
    if show:
        typer.echo(f"voiceagent {__version__}")
        raise typer.Exit


@app.command()
def say(
    text: Annotated[str | None, typer.Argument(help="What to say; - is standard input, spoken while it comes.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help=OUTPUT_HELP,
        ),
    ] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Speak every line: `id<TAB>text`, or plain.")] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder for --from: id.wav, or 0001.wav.")] = None,
    voice: Voice = DEFAULT_VOICE,
    speed: Speed = 1.0,
    seed: Seed = 0,
    steps: Steps = None,
    pitch: Pitch = 1.0,
    volume_db: VolumeDb = 0.0,
    liveliness: Liveliness = 1.0,
    language: Language = AUTO,
    device: OutputDevice = None,
    weights: Weights = None,
    lexicon: Words = None,
    policy: Policy = None,
) -> None:
    """Speak a text, standard input, or every line of a file."""
    options = speak_options(voice, speed, seed, steps, pitch, volume_db, liveliness, language)
    if source is not None:
        if text is not None or output is not None:
            raise InputError("--from goes with --out, not with a text or -o")
        if folder is None:
            raise InputError("--from needs a folder to write to: --out DIR")
        _say_lines(source, folder, options, lambda: make_agent(weights, lexicon, policy))
        return
    if folder is not None:
        raise InputError("--out goes with --from; a single text is written with -o out.wav")
    if text is None:
        raise InputError("nothing to say: give a text, - for standard input, or --from FILE")
    if not text.strip():
        raise InputError("nothing to say: the text is empty")
    _say_text(text, output, device, options, lambda: make_agent(weights, lexicon, policy))


@app.command()
def voices(weights: Weights = None) -> None:
    """List the voices, a line each that begins with the name. A blend of them is a voice, too: "0.6*heart + 0.4*joe"."""
    from voiceagent.cli.voices import voice_lines

    for line in voice_lines(weights):
        typer.echo(line)


def _say_lines(source: Path, folder: Path, options: SpeakOptions, make_agent: Callable[[], VoiceAgent]) -> None:
    from voiceagent.cli.say import lines_to_folder, make_folder, read_lines

    lines = read_lines(source)
    make_folder(folder)

    async def speaking() -> list[str]:
        async with make_agent() as agent:
            return await lines_to_folder(agent, lines, folder, options)

    _warn(run(speaking()))


def _say_text(
    text: str, output: Path | None, device: str | None, options: SpeakOptions, make_agent: Callable[[], VoiceAgent]
) -> None:
    from voiceagent.adapters.sound.local_audio import Loudspeaker
    from voiceagent.audio.speech_file import check_speech_file, open_speech
    from voiceagent.cli.say import aloud, as_typed, to_file

    # What cannot work is said before the voice is loaded, which takes seconds.
    source = standard_input() if text == "-" else None
    loudspeaker = None
    if output is not None:
        check_speech_file(output)
    else:
        try:
            loudspeaker = Loudspeaker(device=device)
        except AudioDeviceError as error:
            raise AudioDeviceError(f"{error}, or write a file instead: -o out.wav") from error

    async def speaking(file: SpeechFile | None) -> list[str]:
        async with make_agent() as agent:
            pieces: str | AsyncIterable[str] = text if source is None else as_typed(source)
            if file is not None:
                return await to_file(agent, pieces, file, options)
            assert loudspeaker is not None
            async with loudspeaker:
                return await aloud(agent, pieces, loudspeaker, options)

    with open_speech(output) if output is not None else contextlib.nullcontext() as file:
        warnings = run(speaking(file))
    _warn(warnings)


app.command()(serve)
app.command()(edit)
app.command()(key)
app.command()(chat)
app.command()(talk)


@app.command()
def doctor(weights: Weights = None) -> None:
    """Say what this machine can do, and how to mend what is missing."""
    from rich.table import Table

    from voiceagent.cli.doctor import examine, healthy

    with notes.status("looking around"):
        findings = list(examine(weights))
    table = Table("", "", "what is here", "how to mend it", box=None, pad_edge=False)
    marks = {"ok": "[green]ok[/]", "optional": "[yellow]absent[/]", "broken": "[red]broken[/]"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.name, _plain(finding.detail), _plain(finding.mend))
    Console(highlight=False).print(table)
    if not healthy(findings):
        raise typer.Exit(FAILED)


@app.command("text")
def text_report(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A text as a language model writes it; - is stdin.")],
    lexicon: Words = None,
    policy: Policy = None,
) -> None:
    """Show how a text is cut, normalised and pronounced: one JSON object a chunk."""
    if source != "-":
        check_readable(Path(source), text_goes="echo ... | voiceagent text -")
    from voiceagent.settings.policy import load_policy
    from voiceagent.text.phonemes.lexicon import Lexicon
    from voiceagent.text.report import report

    words = Lexicon.load(lexicon) if lexicon else None
    # JSON can be written in any encoding; what standard output cannot show is escaped by JSON's own rules.
    escaped = not sys.stdout or sys.stdout.encoding.lower().replace("-", "") != "utf8"
    with contextlib.ExitStack() as files:
        lines: Iterable[str]
        if source == "-":
            lines = io.TextIOWrapper(standard_input(), encoding="utf-8", errors="replace")
        else:
            lines = files.enter_context(Path(source).open(encoding="utf-8", errors="replace"))
        for row in report(lines, lexicon=words, policy=load_policy(policy) if policy else None):
            print(json.dumps(row, ensure_ascii=escaped).encode("utf-8", "replace").decode(), flush=True)


@app.command(context_settings=PASS_ON, add_help_option=False)
def bench(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="|".join(BENCHES))],
) -> None:
    """Measure: tables for people, the last line JSON. What follows is passed on; --help shows what there is."""
    folder = Path(__file__).resolve().parent.parent.parent / "benchmarks"
    if what not in BENCHES:
        raise InputError(f"unknown benchmark {what!r}; benchmarks here: {', '.join(BENCHES)}")
    script = folder / f"{what}.py"
    if not script.is_file():
        raise InputError(f"the benchmarks are in the source tree, not in the package: there is no {script}")
    sys.argv = [str(script), *ctx.args]
    sys.path.insert(0, str(folder))
    runpy.run_path(str(script), run_name="__main__")


@app.command(context_settings=PASS_ON, add_help_option=False)
def train(ctx: typer.Context) -> None:
    """Make the weights again: corpus, codec, language model."""
    try:
        from voiceagent.training.cli import app as train_app
    except ModuleNotFoundError as error:
        raise InputError(f"training needs more: {install_hint('train')} ({error})") from error
    train_app(ctx.args, prog_name="voiceagent train")


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal without a letter shows its number, and nothing fails
    end_in_order()
    status: int | str | None = 0
    try:
        app()
    except SystemExit as leaving:
        status = leaving.code
    except OSError as error:
        if error.errno not in NO_OUTPUT:
            raise
        status = _cannot_show(error)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        status = _cannot_show(error)
    sys.exit(status)


def _cannot_show(error: OSError) -> int:
    """Says that standard output takes nothing, and sees to it that the interpreter does not try again at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno != errno.EPIPE:  # whoever reads may have enough
        with contextlib.suppress(OSError):
            typer.echo(f"voiceagent: cannot write standard output: {error.strerror}", err=True)
    return FAILED


def _warn(warnings: list[str]) -> None:
    for warning in dict.fromkeys(warnings):
        typer.echo(f"voiceagent: {warning}", err=True)


def _plain(text: str) -> str:
    """Text with square brackets as rich should print it."""
    return text.replace("[", r"\[")
