"""The guard: what it doubts, and what the engine does about it."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_folder import save_tiny

from voiceagent.engine.engine import Engine
from voiceagent.engine.guard import DOUBTFUL, WORST, Guard, again
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.symbols import ENGLISH, encode
from voiceagent.options import SpeakOptions
from voiceagent.protocol.outputs import Finished, Notice, Output, Speech
from voiceagent.settings.engine import EngineConfig
from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.phonemes.phonemizer import PhonemeText

PHONES = encode("ntəɹɪsdi")  # the phoneme that a token of first digit 0 to 7 sounds like


def hears_the_first_digit(digits: np.ndarray) -> np.ndarray:
    """In place of an aligner: (T, 6) -> logits (2 T, symbols), sure of themselves."""
    logits = np.full((len(digits), 2, ENGLISH), -20.0, np.float32)
    logits[np.arange(len(digits)), :, np.array(PHONES)[digits[:, 0]]] = 20.0
    return logits.reshape(-1, ENGLISH)


GUARD = Guard(hears_the_first_digit)


def tokens(digits: list[int]) -> np.ndarray:
    return np.pad(np.array(digits, np.int64)[:, None], ((0, 0), (0, 5)))


def planned(digits: list[int]) -> np.ndarray:
    return np.repeat(np.array(PHONES)[digits][:, None], 2, axis=1)


spoken = st.lists(st.integers(0, 7), min_size=1, max_size=18)


@given(spoken, st.lists(st.integers(0, 7), max_size=3))
def test_what_sounds_as_planned_is_not_doubted(said: list[int], before: list[int]) -> None:
    assert GUARD.doubt(tokens(said), tokens(before) if before else None, planned(said)) == 0


@given(spoken, st.integers(1, 7))
def test_other_speech_is_doubted(said: list[int], other: int) -> None:
    same = [said[0]] * len(said)
    assert GUARD.doubt(tokens(same), None, planned([(d + other) % 8 for d in same])) == WORST > DOUBTFUL


@given(spoken)
def test_a_phoneme_may_come_a_token_sooner_or_later(said: list[int]) -> None:
    assert GUARD.doubt(tokens([said[0], *said[:-1]]), None, planned(said)) == 0


def test_what_is_no_number_is_doubted() -> None:
    guard = Guard(lambda digits: np.full((2 * len(digits), ENGLISH), np.nan, np.float32))
    assert guard.doubt(tokens([1, 2]), None, planned([1, 2])) > DOUBTFUL


def test_another_attempt_is_decoded_otherwise() -> None:
    options = DecodingOptions()
    assert again(options).steps > options.steps
    assert again(options).temperature > options.temperature


def letters(chunk: Chunk) -> PhonemeText:
    words = tuple(Word(part, chunk.start, chunk.start + len(part), part) for part in chunk.spoken.split())
    return PhonemeText(words, ())


class Doubtful:
    """Doubts every block as much; one that `sinks` prefers each attempt to those before."""

    def __init__(self, doubts: float, *, sinks: bool = False) -> None:
        self.doubts, self.sinks = doubts, sinks

    def doubt(self, digits: Any, before: Any, labels: Any) -> float:
        assert labels.shape == (len(digits), 2)
        assert before is None or len(before) <= 3
        self.doubts -= 0.001 * self.sinks
        return self.doubts + (0 if self.sinks else float(np.asarray(digits).mean()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voices")
    save_tiny(path)
    return path


@pytest.fixture
def engines(folder: Path) -> Iterator[Any]:
    made: list[Engine] = []

    def make(guard: Doubtful | None) -> Engine:
        engine = Engine(weights=folder, phonemizer=letters, config=EngineConfig(max_streams=3))
        engine._synthesizer.guard = cast(Any, guard)
        engine.start()
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


def speak(engine: Engine, streams: int = 1) -> list[tuple[np.ndarray, list[Notice]]]:
    waiting: list[queue.Queue[Output]] = [queue.Queue() for _ in range(streams)]
    numbers = [engine.open(SpeakOptions(seed=3), wait.put) for wait in waiting]
    for number in numbers:
        engine.speak(number, Chunk("ˈæpᵊl tɹˈi, ", 0, "ˈæpᵊl tɹˈi, ", "", False))
        engine.speak(number, Chunk("hˈWs ænd bˈɪɡ ʃˈɪp. ", 12, "hˈWs ænd bˈɪɡ ʃˈɪp. ", "", True))
    heard = []
    for wait in waiting:
        got: list[Output] = []
        while not got or not isinstance(got[-1], Finished):
            got.append(wait.get(timeout=20))
        assert got[-1] == Finished()
        samples = np.concatenate([output.samples for output in got if isinstance(output, Speech)])
        heard.append((samples, [output for output in got if isinstance(output, Notice)]))
    return heard


def test_doubtful_speech_is_made_again_and_says_so(engines: Any) -> None:
    plain, trusting, doubting = (
        speak(engines(guard))[0] for guard in (None, Doubtful(-9.0), Doubtful(99.0, sinks=True))
    )
    assert np.array_equal(plain[0], trusting[0])
    assert not plain[1]
    assert not trusting[1]
    assert {notice.code for notice in doubting[1]} == {"remade"}
    assert len(doubting[0]) == len(plain[0])
    assert not np.array_equal(doubting[0], plain[0])
    assert np.isfinite(doubting[0]).all()


def test_what_is_made_again_does_not_depend_on_company(engines: Any) -> None:
    engine = engines(Doubtful(WORST))
    alone = speak(engine)[0][0]
    assert all(np.array_equal(alone, other) for other, _ in speak(engine, 3))
