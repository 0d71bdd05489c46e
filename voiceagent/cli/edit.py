"""`voiceagent edit`: change words of a recording."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceagent.cli.options import Weights, check_readable, notes
from voiceagent.errors import InputError
from voiceagent.options import DEFAULT_VOICE

if TYPE_CHECKING:
    from voiceagent.service.edit_desk import EditedFile, EditFile


def edit(
    recording: Annotated[Path, typer.Argument(metavar="IN.WAV", help="Mono WAV file of 16 bits; best at 24 kHz.")],
    transcript: Annotated[str, typer.Option(help="What it says now, word by word.")],
    to: Annotated[str, typer.Option(help="What it shall say.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="WAV file to write; - is standard output.")],
    voice: Annotated[str, typer.Option(help="The voice that is nearest to the speaker.")] = DEFAULT_VOICE,
    weights: Weights = None,
) -> None:
    """Change words of a recording; what is not changed stays as it is, bit for bit."""
    from voiceagent.audio.destination import check_writable, passes_on
    from voiceagent.audio.wav import open_wav

    if output.suffix.lower() not in ("", ".wav") and not passes_on(output):
        raise InputError(f"cannot write {output}: only WAV keeps what is not changed bit for bit; name it .wav")
    check_writable(output)
    check_readable(recording)
    from voiceagent.editing.editor import Editor, as_pcm, read_recording

    original = read_recording(recording)
    with notes.status("loading the voices"):
        editor = Editor(weights=weights)
    with notes.status("editing"):
        edited = editor.edit(original.samples, transcript, to, voice=voice)
    with open_wav(output) as file:
        file.write(as_pcm(edited, original).tobytes())
    if original.resampled:
        notes.print("the recording was resampled to 24 kHz, so its samples are not the same bit for bit")
    for span in edited.spans:
        notes.print(
            f"made anew: {span.start_s:.2f} to {span.end_s:.2f} s, for {span.old_start_s:.2f} to {span.old_end_s:.2f} s"
        )
    if not edited.spans:
        notes.print("nothing to change: both texts say the same")
    summary = f"{output}: {len(edited.samples) / 24_000:.2f} s, {edited.unchanged:.0%} of it untouched"
    typer.echo(summary, err=passes_on(output))  # standard output may be what has just been written


def file_editor(weights: Path | None) -> EditFile:
    """What the service edits WAV files with; loads the models.

    Raises:
        InputError: torch is not installed.
        ModelError: the weights cannot be read.
    """
    from voiceagent.model.loading import need_torch

    need_torch("editing")
    from voiceagent.editing.editor import Editor, as_pcm, recording_of
    from voiceagent.service.edit_desk import EditedFile

    editor = Editor(weights=weights)

    def edit_file(file: bytes, transcript: str, to: str, voice: str) -> EditedFile:
        original = recording_of(BytesIO(file), "the recording")
        edited = editor.edit(original.samples, transcript, to, voice=voice)
        spans_s = tuple((span.start_s, span.end_s) for span in edited.spans)
        return EditedFile(as_pcm(edited, original), spans_s, original.resampled)

    return edit_file
