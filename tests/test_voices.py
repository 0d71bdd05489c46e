"""The voices that ship, heard: what they say is what was written, whole and in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from judging.judges import Transcriber
from judging.wer import word_error_rate

from voiceagent import VoiceAgent
from voiceagent.agent import Clip
from voiceagent.model.config import SHIPPED
from voiceagent.settings.serve import Limits

pytestmark = [pytest.mark.weights, pytest.mark.skipif(not (SHIPPED / "voice.toml").exists(), reason="no weights here")]

TEXT = "The train to the city leaves in about twenty minutes. You can still buy a ticket at the desk."


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber(threads=1)


@pytest.fixture
async def agent() -> AsyncIterator[VoiceAgent]:
    async with VoiceAgent() as made:
        yield made


@pytest.mark.parametrize(("voice", "most"), [("heart", 0.12), ("joe", 0.25)])
async def test_words_are_understood(agent: VoiceAgent, transcriber: Transcriber, voice: str, most: float) -> None:
    clip = await agent.say(TEXT, voice=voice)
    assert 3.5 < clip.duration_s < 9
    heard = await asyncio.to_thread(transcriber, clip.samples, clip.sample_rate)
    assert word_error_rate([TEXT], [heard]) <= most, heard


async def test_words_are_in_order_and_inside_the_audio(agent: VoiceAgent) -> None:
    clip = await agent.say(TEXT)
    assert [TEXT[word.char_start : word.char_end] for word in clip.words] == [word.text for word in clip.words]
    assert " ".join(word.text for word in clip.words) == TEXT
    starts = [word.start_s for word in clip.words]
    assert starts == sorted(starts)
    assert clip.words[-1].end_s <= clip.duration_s


async def test_pieces_sound_like_the_whole() -> None:
    """The same chunks give the same samples; where text is closed by its pace ("auto"), chunks differ and so may samples."""
    parts: list[np.ndarray] = []
    async with VoiceAgent(limits=Limits(buffering="sentence")) as agent, agent.session(seed=3) as session:
        whole = await agent.say(TEXT, seed=3)
        for at in range(0, len(TEXT), 3):
            await session.send(TEXT[at : at + 3])
        await session.end()
        async for frame in session:
            parts.append(frame.samples)
    assert np.allclose(np.concatenate(parts), whole.samples, atol=1e-4)


async def test_sound_starts_early_and_ends_quietly(agent: VoiceAgent) -> None:
    clip = await agent.say(TEXT)
    loud = np.flatnonzero(np.abs(clip.samples) > 0.01) / clip.sample_rate
    assert loud[0] < 0.25
    assert np.abs(clip.samples[-240:]).max() < 0.02


async def test_speed_changes_the_length(agent: VoiceAgent) -> None:
    slow, fast = await agent.say(TEXT, speed=0.8), await agent.say(TEXT, speed=1.25)
    assert slow.duration_s == pytest.approx(fast.duration_s * 1.25 / 0.8, rel=0.05)


@pytest.mark.parametrize("text", ["", "a", "?!", "\N{GRINNING FACE}", "\x00\ud800", "Привет, мир", "ok " * 40])
async def test_odd_text_is_sensible(agent: VoiceAgent, text: str) -> None:
    clip: Clip = await agent.say(text)
    assert np.isfinite(clip.samples).all()
    again = await agent.say("Fine.")
    assert again.duration_s > 0.2


def test_weights_are_small() -> None:
    assert sum(file.stat().st_size for file in Path(SHIPPED).glob("*.safetensors")) < 40e6
