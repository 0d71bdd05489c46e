"""What `voiceagent say` does: a text to a file or a loudspeaker, standard input while it is being typed, a file of
lines.

Knows nothing of the command line's options; `voiceagent.cli.commands` reads those.
"""

from __future__ import annotations

import asyncio
import codecs
import threading
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from voiceagent.agent import VoiceAgent, speak
from voiceagent.audio.destination import check_writable
from voiceagent.errors import InputError
from voiceagent.options import SpeakOptions

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples
    from voiceagent.audio.speech_file import SpeechFile

# Names longer than this do not fit most file systems once ".wav" and a temporary suffix are added.
ID_BYTES = 200


class Player(Protocol):
    """Something that plays."""

    async def play(self, samples: Samples) -> None:
        """Queues samples."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line to speak, and the name of its file."""

    id: str
    text: str


def read_lines(path: Path) -> list[Line]:
    """The lines of a file: `id<TAB>text` in all of them, or plain text, named 0001, 0002 ... by line number.

    Blank lines are passed over, and counted.

    Raises:
        InputError: the file cannot be read, or a line has no id, a second one's id, or an id that is no file name.
    """
    try:
        rows = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    numbered = [(number, row.rstrip("\r")) for number, row in enumerate(rows, 1) if row.strip()]
    if not numbered:
        raise InputError(f"{path} has no lines to speak")
    if "\t" not in numbered[0][1]:
        return [Line(f"{number:04d}", row) for number, row in numbered]
    first_at: dict[str, int] = {}
    lines = []
    for number, row in numbered:
        line_id, tab, text = row.partition("\t")
        if not tab:
            raise InputError(f"{path}, line {number}: no tab between an id and its text, as in the lines before")
        _check_id(line_id, f"{path}, line {number}")
        if line_id in first_at:
            raise InputError(f"{path}, line {number}: the id {line_id!r} is that of line {first_at[line_id]} already")
        first_at[line_id] = number
        lines.append(Line(line_id, text))
    return lines


def _check_id(line_id: str, where: str) -> None:
    if not line_id.strip():
        raise InputError(f"{where}: the id is empty")
    if "/" in line_id or "\\" in line_id or line_id.startswith(".") or not line_id.isprintable():
        raise InputError(f"{where}: the id {line_id!r} is no file name; use letters, digits, '-', '_' and inner dots")
    if len(line_id.encode()) > ID_BYTES:
        raise InputError(f"{where}: the id has more than {ID_BYTES} bytes")


def make_folder(folder: Path) -> None:
    """Makes the folder that lines are spoken into.

    Raises:
        InputError: it cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    check_writable(folder / "0001.wav")


async def as_typed(source: BinaryIO) -> AsyncIterator[str]:
    """Text from a pipe or terminal as soon as it arrives; bytes that are not UTF-8 become replacement characters.

    Raises:
        InputError: it cannot be read.
    """
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[str | OSError | None] = asyncio.Queue(maxsize=16)

    def read() -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        read_some = getattr(source, "read1", source.read)

        def hand(piece: str | OSError | None) -> None:
            asyncio.run_coroutine_threadsafe(pieces.put(piece), loop).result()

        try:
            try:
                while data := read_some(4096):
                    if text := decoder.decode(data):
                        hand(text)
            except OSError as error:  # a folder, a disk that fails
                hand(error)
            hand(decoder.decode(b"", final=True))
            hand(None)
        except (RuntimeError, asyncio.CancelledError):
            return  # the loop has ended: nobody wants the rest

    # A daemon, because a read of a terminal cannot be interrupted.
    threading.Thread(target=read, name="say.read", daemon=True).start()
    while (piece := await pieces.get()) is not None:
        if isinstance(piece, OSError):
            raise InputError(f"cannot read standard input: {piece.strerror}") from piece
        if piece:
            yield piece


async def to_file(
    agent: VoiceAgent, text: str | AsyncIterable[str], file: SpeechFile, options: SpeakOptions
) -> list[str]:
    """Speaks into a file; returns the warnings.

    Raises:
        InputError: the file cannot be written.
    """
    async with agent.session(**asdict(options)) as session:
        with _progress("{task.fields[seconds]:.1f} s of speech") as progress:
            task = progress.add_task("speech", total=None, seconds=0.0)
            seconds = 0.0
            async for frame in speak(session, text):
                file.write(frame.samples)
                seconds += len(frame.samples) / frame.sample_rate
                progress.update(task, seconds=seconds)
        return session.warnings


async def aloud(agent: VoiceAgent, text: str | AsyncIterable[str], player: Player, options: SpeakOptions) -> list[str]:
    """Plays while the text is still coming; returns the warnings."""
    async with agent.session(**asdict(options)) as session:
        async for frame in speak(session, text):
            await player.play(frame.samples)
        return session.warnings


async def lines_to_folder(agent: VoiceAgent, lines: list[Line], folder: Path, options: SpeakOptions) -> list[str]:
    """Speaks every line into `<folder>/<id>.wav`; returns the warnings. Where one fails, those before it stay.

    Raises:
        InputError: a file cannot be written.
    """
    warnings = []
    with _progress("{task.description}") as progress:
        task = progress.add_task("lines", total=len(lines))
        for line in lines:
            clip = await agent.say(line.text, **asdict(options))
            clip.save(folder / f"{line.id}.wav")
            warnings += [f"{line.id}: {warning}" for warning in clip.warnings]
            progress.advance(task)
    return warnings


def _progress(text: str) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn(text),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
