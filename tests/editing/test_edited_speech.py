"""Editing with the voices that ship, heard: the new words are there, the old ones gone, and a wrong transcript is refused."""

from __future__ import annotations

import asyncio
import io
import wave

import numpy as np
import pytest
from judging.judges import Transcriber
from judging.wer import word_error_rate

from voiceagent import VoiceAgent
from voiceagent.cli.edit import file_editor
from voiceagent.editing.editor import Editor
from voiceagent.errors import InputError
from voiceagent.model.config import SHIPPED

pytestmark = [pytest.mark.weights, pytest.mark.skipif(not (SHIPPED / "voice.toml").exists(), reason="no weights here")]

SAID = "The meeting is on Tuesday, at noon."


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor()


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    async def say() -> np.ndarray:
        async with VoiceAgent() as agent:
            return (await agent.say(SAID)).samples

    return asyncio.run(say())


@pytest.mark.parametrize(
    "to",
    [
        "The meeting is on Thursday, at noon.",
        "The meeting in the garden is on Tuesday, at noon.",
        "The meeting is at noon.",
        "Your dinner is on Tuesday, at seven.",
    ],
    ids=["substitution", "insertion", "deletion", "both ends"],
)
def test_the_new_text_is_heard(editor: Editor, recording: np.ndarray, to: str) -> None:
    edited = editor.edit(recording, SAID, to)
    assert 0.3 < edited.unchanged < 1
    heard = Transcriber(threads=1)(edited.samples, 24_000)
    assert word_error_rate([to], [heard]) <= 0.15, heard


@pytest.mark.parametrize(
    ("transcript", "names"),
    [
        ("The meeting is on elephants, at noon.", "'elephants,'"),
        # Where the word is missing the sound may be given to either neighbour: all of them name the place.
        ("The meeting is on, at noon.", r"'(meeting|is|on,|at)'"),
        ("The meeting is on Tuesday.", "after 'Tuesday.'"),
        ("Meeting is on Tuesday, at the old river.", "'old'"),
    ],
    ids=["another word", "a word too few", "an end too few", "another end"],
)
def test_a_transcript_of_something_else_is_refused(
    editor: Editor, recording: np.ndarray, transcript: str, names: str
) -> None:
    with pytest.raises(InputError, match=names):
        editor.edit(recording, transcript, "The meeting is over.")


def test_a_file_as_the_service_edits_it(recording: np.ndarray) -> None:
    """What stays keeps its bits, the new word is heard."""
    file = io.BytesIO()
    pcm = (recording * 32767).astype("<i2")
    with wave.open(file, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(24_000)
        opened.writeframes(pcm.tobytes())
    to = SAID.replace("Tuesday", "Thursday")
    edited = file_editor(None)(file.getvalue(), SAID, to, "heart")
    ((start_s, end_s),) = edited.spans_s
    first, behind = round(start_s * 24_000) - 480, len(edited.pcm) - round(end_s * 24_000) - 480
    assert np.array_equal(edited.pcm[:first], pcm[:first])
    assert np.array_equal(edited.pcm[-behind:], pcm[-behind:])
    heard = Transcriber(threads=1)((edited.pcm / 32767).astype(np.float32), 24_000)
    assert word_error_rate([to], [heard]) <= 0.15, heard
