"""The demos speak, with a fake engine in the place of the real one."""

from __future__ import annotations

import asyncio
import runpy
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fakes import FakeChunker, FakeEngine

from voiceagent.adapters.app import bind, build_app, build_server
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig

DEMOS = Path(__file__).resolve().parent.parent.parent / "demos"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("voiceagent.agent.load_engine", lambda *_: FakeEngine(threaded=True))

    def load(name: str) -> Any:
        variables = runpy.run_path(str(DEMOS / name))
        main = variables["main"]
        main.__globals__["ANSWER"] = "Hello there. This is short."
        return main

    return load


def seconds(path: str) -> float:
    with wave.open(path) as file:
        frames: int = file.getnframes()
    return frames / 24_000


async def test_tokens_in_process(demo: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    await demo("in_process_llm_tokens.py")()
    assert seconds("tokens.wav") == pytest.approx(1.0)
    assert "first audible sample" in capsys.readouterr().out


async def test_tokens_over_websocket(demo: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine(threaded=True)
    engine.start()
    config = ServeConfig(port=0)
    listener = bind(config.host, config.port)
    server = build_server(build_app(Service(engine, config, make_chunker=FakeChunker)), config, log_level="warning")
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await demo("websocket_llm_tokens.py")(f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/stream")
    finally:
        server.should_exit = True
        await serving
        listener.close()
        engine.close()
    assert seconds("tokens.wav") == pytest.approx(1.0)
    assert "first audible sample" in capsys.readouterr().out


async def test_a_speaker_on_mqtt(
    demo: Callable[[str], Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from support.mosquitto import Broker
    from support.mqtt_ears import agent_at, listening
    from support.waiting import eventually

    broker = Broker(tmp_path)
    broker.start()
    printed = ""

    def shown(line: str) -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        return line in printed

    try:
        async with (
            agent_at(broker, FakeEngine(threaded=True, latency_s=0.002)),
            listening(broker, "voiceagent/#") as ears,
        ):
            speaker = asyncio.create_task(demo("mqtt_speaker.py")("127.0.0.1", "kitchen", port=broker.port))
            await eventually(lambda: shown("mosquitto_pub -t voiceagent/v1/kitchen/say"))
            await ears.ask("voiceagent/v1/kitchen/say", "Dinner is ready.")
            await eventually(lambda: shown("heard-1.wav: 0.6 s"))
            await ears.ask("voiceagent/v1/kitchen/say", "Much too much of it. " * 100)
            await eventually(lambda: bool(ears.audio().seqs[20:]))
            await ears.ask("voiceagent/v1/kitchen/stop", "")
            await eventually(lambda: shown("heard-2.wav"))
            speaker.cancel()
            await asyncio.gather(speaker, return_exceptions=True)
    finally:
        broker.stop()
    assert seconds("heard-1.wav") == pytest.approx(0.6)
    assert 0 < seconds("heard-2.wav") < 50


# pydub uses a module that Python 3.13 has lost, and misses an ffmpeg that WAV files do not need.
@pytest.mark.filterwarnings("ignore:'audioop' is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Couldn't find ffmpeg:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
async def test_a_radio_play(demo: Callable[[str], Any]) -> None:
    main = demo("radio_play.py")
    await main()
    play, theme_s = main.__globals__["PLAY"], 6.0
    words_s = sum(0.2 * len(line.replace("1974", "nineteen seventy four").split()) for _, line, _ in play)
    assert seconds("radio_play.wav") == pytest.approx(
        2 * theme_s + words_s + sum(ms for *_, ms in play) / 1000, abs=0.01
    )
    with wave.open("radio_play.wav") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    first = samples[round((theme_s + 0.1) * 24_000) : round((theme_s + 0.6) * 24_000)]
    assert first.mean() == pytest.approx(FakeEngine.level(1), abs=0.01), "the first line, with the music below it"
    assert first.std() > 0.001
    pause = round((theme_s + words_s + sum(ms for *_, ms in play) / 1000 - 0.4) * 24_000)
    assert not samples[pause : pause + 4_800].any(), "silence after the last line, before the music comes back"
    assert np.abs(samples[-3 * 24_000 :]).max() > 0.05
