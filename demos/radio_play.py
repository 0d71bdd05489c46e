"""Two voices, pauses and a little music, assembled by pydub into `radio_play.wav`."""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray
from pydub import AudioSegment

from voiceagent import VoiceAgent
from voiceagent.audio.pcm import to_s16le

RATE_HZ = 24_000
PLAY = (  # voice, line, pause after it in ms
    ("heart", "Did you hear that?", 500),
    ("joe", "Hear what? It is three in the morning.", 300),
    ("heart", "Someone is in the lighthouse. And we have had the only key since 1974.", 900),
    ("joe", "Then let us hope that they brought coffee.", 700),
)
CHORDS_HZ = ((220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7), (220.0, 261.6, 329.6))


def segment(samples: NDArray[np.floating]) -> AudioSegment:
    return AudioSegment(to_s16le(samples.astype(np.float32)), sample_width=2, frame_rate=RATE_HZ, channels=1)


def music(chord_s: float = 1.5) -> AudioSegment:
    t = np.arange(round(chord_s * RATE_HZ)) / RATE_HZ
    pluck = np.exp(-2 * t) * np.minimum(1, t / 0.01)
    chords = [sum(np.sin(2 * np.pi * hz * t) + 0.3 * np.sin(4 * np.pi * hz * t) for hz in chord) for chord in CHORDS_HZ]
    return segment(np.concatenate([0.2 * pluck * chord for chord in chords]))


async def main() -> None:
    spoken = AudioSegment.silent(0, RATE_HZ)
    async with VoiceAgent() as agent:
        for voice, line, pause_ms in PLAY:
            clip = await agent.say(line, voice)
            spoken += segment(clip.samples).fade_in(5).fade_out(5) + AudioSegment.silent(pause_ms, RATE_HZ)
    theme = music()  # goes on quietly below the first words, and comes back at the end
    play = (theme + spoken + theme.fade_out(2_000)).overlay((theme - 18).fade_out(3_000), position=len(theme))
    play.export("radio_play.wav", format="wav").close()
    print(f"radio_play.wav: {play.duration_seconds:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
