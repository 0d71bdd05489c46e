"""The `voiceagent` command. Every mistake of the user's is one line on standard error and exit status 2."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import json
import runpy
import signal
import sys
from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from voiceagent.cli_edit import edit
from voiceagent.cli_options import (
    OutputDevice,
    Policy,
    Seed,
    Speed,
    Steps,
    Voice,
    Weights,
    Words,
    make_agent,
    speak_options,
)
from voiceagent.cli_talk import chat, talk
from voiceagent.errors import AudioDeviceError, ConfigError, InputError, SynthesisError, VoiceAgentError
from voiceagent.events import SpeakOptions
from voiceagent.version import __version__

if TYPE_CHECKING:
    from voiceagent.agent import VoiceAgent

FAILED, MISUSED = 1, 2
BENCHES = ("quality", "latency", "codec", "underruns", "editing", "paper", "engine", "load")
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

_notes = Console(stderr=True, highlight=False)


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
    output: Annotated[Path | None, typer.Option("-o", "--output", help="WAV file; left out, it is played.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Speak every line: `id<TAB>text`, or plain.")] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder for --from: id.wav, or 0001.wav.")] = None,
    voice: Voice = "heart",
    speed: Speed = 1.0,
    seed: Seed = 0,
    steps: Steps = None,
    device: OutputDevice = None,
    weights: Weights = None,
    lexicon: Words = None,
    policy: Policy = None,
) -> None:
    """Speak a text, standard input, or every line of a file."""
    options = speak_options(voice, speed, seed, steps)
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


def _say_lines(source: Path, folder: Path, options: SpeakOptions, make_agent: Callable[[], VoiceAgent]) -> None:
    from voiceagent.say import lines_to_folder, make_folder, read_lines

    lines = read_lines(source)
    make_folder(folder)

    async def run() -> list[str]:
        async with make_agent() as agent:
            return await lines_to_folder(agent, lines, folder, options)

    _warn(asyncio.run(run()))


def _say_text(
    text: str, output: Path | None, device: str | None, options: SpeakOptions, make_agent: Callable[[], VoiceAgent]
) -> None:
    from voiceagent.adapters.local_audio import Loudspeaker
    from voiceagent.say import aloud, as_typed, to_file
    from voiceagent.wav import check_writable

    # What cannot work is said before the voice is loaded, which takes seconds.
    loudspeaker = None
    if output is not None:
        check_writable(output)
    else:
        try:
            loudspeaker = Loudspeaker(device=device)
        except AudioDeviceError as error:
            raise AudioDeviceError(f"{error}, or write a file instead: -o out.wav") from error

    async def run() -> list[str]:
        async with make_agent() as agent:
            pieces: str | AsyncIterable[str] = as_typed(sys.stdin.buffer) if text == "-" else text
            if loudspeaker is None:
                assert output is not None
                return await to_file(agent, pieces, output, options)
            async with loudspeaker:
                return await aloud(agent, pieces, loudspeaker, options)

    _warn(asyncio.run(run()))


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; the default is loopback.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one. The default is 8080.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings, as configs/serve.toml.")] = None,
    weights: Weights = None,
    lexicon: Words = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM certificate: https and wss.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key of --tls-cert.")] = None,
    tls_self_signed: Annotated[
        bool, typer.Option(help="https and wss on localhost, by a certificate made once.")
    ] = False,
    wyoming: Annotated[bool, typer.Option(help="Speak Wyoming too, for Home Assistant: port 10200.")] = False,
    mqtt: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help="Speak over this MQTT broker too.")] = None,
) -> None:
    """Serve speech over WebSocket and HTTP, and where it is wanted over Wyoming and MQTT."""
    from voiceagent.adapters import doors
    from voiceagent.adapters.server import bind, build_app, build_server
    from voiceagent.agent import load_engine
    from voiceagent.config import ServeConfig, load_serve_config
    from voiceagent.live import chunker_with, warm_up
    from voiceagent.service import Service
    from voiceagent.tls import check, key_pair

    settings = load_serve_config(config) if config else ServeConfig()
    given: dict[str, Any] = {"host": host, "port": port, "weights": str(weights) if weights else None}
    given["lexicon"] = str(lexicon) if lexicon else None
    given["tls_cert"], given["tls_key"] = key_pair(tls_cert, tls_key, self_signed_one=tls_self_signed)
    try:
        settings = dataclasses.replace(settings, **{key: value for key, value in given.items() if value is not None})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    settings = doors.with_doors(settings, wyoming=wyoming, mqtt=mqtt)
    more_doors = doors.doors_of(settings, typer.echo)
    if settings.tls_cert and settings.tls_key:
        check(settings.tls_cert, settings.tls_key)
    make_chunker = chunker_with(Path(settings.lexicon) if settings.lexicon else None, settings.speech)
    listener = bind(settings.host, settings.port)
    with listener:
        with _notes.status("loading the voices"):
            engine = load_engine(Path(settings.weights) if settings.weights else None, settings.max_streams)
            engine.start()
        try:
            service = Service(engine, settings, make_chunker)
            warm_up(service.make_chunker)
            gc.collect()
            gc.freeze()  # what is loaded stays: looking through it again would hold the event loop up for longer than a frame
            server = build_server(build_app(service), settings, log_level="warning")
            shown = f"[{settings.host}]" if ":" in settings.host else settings.host
            voices = ", ".join(engine.voices)
            scheme, port = "wss" if settings.tls_cert else "ws", listener.getsockname()[1]
            typer.echo(f"voiceagent listens on {scheme}://{shown}:{port}/v1/stream (voices: {voices})")
            typer.echo(f"to hear it, open {scheme.replace('ws', 'http')}://{shown}:{port}/ in a browser")
            if tls_self_signed:
                typer.echo(f"clients trust it by: SSL_CERT_FILE={settings.tls_cert}")
            if settings.host not in ("127.0.0.1", "::1", "localhost") and not settings.auth_tokens:
                _notes.print("whoever reaches this address may use it: set auth_tokens in the settings")
            # The server ends in order on SIGTERM and then raises it once more, for whoever has no handler.
            signal.signal(signal.SIGTERM, lambda *_: None)
            doors.run(server, listener, service, more_doors)
        except KeyboardInterrupt:
            pass  # the usual way to end it
        finally:
            engine.close()


app.command()(edit)
app.command()(chat)
app.command()(talk)


@app.command()
def doctor(weights: Weights = None) -> None:
    """Say what this machine can do, and how to mend what is missing."""
    from rich.table import Table

    from voiceagent.doctor import examine, healthy

    with _notes.status("looking around"):
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
    if source != "-" and not Path(source).is_file():
        raise InputError(f"cannot read {source}: there is no such file")
    from voiceagent.policy import load_policy
    from voiceagent.text.lexicon import Lexicon, LexiconError
    from voiceagent.text.report import report

    try:
        words = Lexicon.load(lexicon) if lexicon else None
    except LexiconError as error:
        raise InputError(str(error)) from error
    with contextlib.ExitStack() as files:
        lines = (
            sys.stdin if source == "-" else files.enter_context(Path(source).open(encoding="utf-8", errors="replace"))
        )
        for row in report(lines, lexicon=words, policy=load_policy(policy) if policy else None):
            print(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode(), flush=True)


@app.command(context_settings=PASS_ON, add_help_option=False)
def bench(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="|".join(BENCHES))],
) -> None:
    """Measure: tables for people, the last line JSON. What follows is passed on; --help shows what there is."""
    folder = Path(__file__).resolve().parent.parent / "benchmarks"
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
        raise InputError(f"training needs more: pip install 'voiceagent[train]' ({error})") from error
    train_app(ctx.args, prog_name="voiceagent train")


def main() -> None:
    """Entry point of the console script."""
    app()


def _warn(warnings: list[str]) -> None:
    for warning in dict.fromkeys(warnings):
        typer.echo(f"voiceagent: {warning}", err=True)


def _plain(text: str) -> str:
    """Text with square brackets as rich should print it."""
    return text.replace("[", r"\[")
