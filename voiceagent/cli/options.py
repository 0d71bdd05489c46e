"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import errno
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from rich.console import Console

from voiceagent.errors import InputError
from voiceagent.options import AUTO, SpeakOptions

if TYPE_CHECKING:
    from voiceagent.agent import VoiceAgent

Voice = Annotated[
    str, typer.Option(help="Who speaks: a voice that `voiceagent voices` lists, or a blend as '0.6*heart + 0.4*joe'.")
]
Speed = Annotated[float, typer.Option(help="Rate of speech, 0.5 to 2.")]
Pitch = Annotated[float, typer.Option(help="Factor on the pitch, 0.5 to 2.")]
VolumeDb = Annotated[float, typer.Option("--volume", help="Louder or softer, -40 to 12 dB.")]
Liveliness = Annotated[
    float, typer.Option(help="How far the melody moves: 0 is monotone, 1 the voice's own, 2 the most.")
]
Language = Annotated[
    str, typer.Option(help="What the text is written in: en, zh, es, fr, it, pt; auto is what the voice speaks.")
]
Seed = Annotated[int, typer.Option(help="The same seed and text give the same speech.")]
Steps = Annotated[int | None, typer.Option(help="Decoding steps a block, 1 to 64; more is slower.")]
OutputDevice = Annotated[str | None, typer.Option("--device", help="Loudspeaker, as `voiceagent doctor` lists it.")]
Weights = Annotated[Path | None, typer.Option(help="Folder of other voices than those that ship.")]
Policy = Annotated[Path | None, typer.Option("--policy", help="TOML file: what is spoken of markup, as [speech].")]
Words = Annotated[Path | None, typer.Option("--lexicon", help="TOML file: how words are said.")]

notes = Console(stderr=True, highlight=False)
"""What is not the result: how far it is, what is worth knowing."""


def check_readable(path: Path, text_goes: str | None = None) -> None:
    """Finds out early what can be found out early.

    Args:
        text_goes: how to give a text itself, told to those who gave one instead of a file.

    Raises:
        InputError: there is no file to be read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"cannot read {path}: it is a folder")
        if not stat.S_ISREG(mode):
            raise InputError(f"cannot read {path}: it is not a regular file")
        path.open("rb").close()
    except OSError as error:
        reason = "there is no such file" if error.errno == errno.ENOENT else error.strerror
        name = str(path)
        if text_goes is None or not (
            error.errno == errno.ENAMETOOLONG or (error.errno == errno.ENOENT and " " in name)
        ):
            raise InputError(f"cannot read {path}: {reason}") from error
        shown = name if len(name) <= 60 else name[:57] + "..."
        raise InputError(f"cannot read {shown!r}: {reason}; a text that is not in a FILE: {text_goes}") from error


def standard_input() -> BinaryIO:
    """The bytes of standard input.

    Raises:
        InputError: it is closed.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("standard input is closed: give the text itself, or a file")
    return sys.stdin.buffer


def speak_options(
    voice: str,
    speed: float,
    seed: int = 0,
    steps: int | None = None,
    pitch: float = 1.0,
    volume_db: float = 0.0,
    liveliness: float = 1.0,
    language: str = AUTO,
) -> SpeakOptions:
    """How to speak.

    Raises:
        InputError: a value is out of range.
    """
    try:
        return SpeakOptions(voice, speed, seed, steps, pitch, volume_db, liveliness, language)
    except ValueError as error:
        raise InputError(str(error)) from error


def make_agent(weights: Path | None, lexicon: Path | None, policy: Path | None) -> VoiceAgent:
    """Who speaks; the weights are read when it is entered."""
    from voiceagent.agent import VoiceAgent
    from voiceagent.settings.policy import load_policy

    return VoiceAgent(weights=weights, lexicon=lexicon, policy=load_policy(policy) if policy else None)
