"""Which words are stressed: marks, and capitals among small letters."""

from __future__ import annotations

import pytest

from voiceagent.text import Chunker, SpeechPolicy
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer


@pytest.fixture(scope="module")
def phonemizer() -> MisakiPhonemizer:
    return MisakiPhonemizer()


def stressed(phonemizer: MisakiPhonemizer, text: str, policy: SpeechPolicy | None = None) -> list[str]:
    chunker = Chunker(policy)
    found = []
    for chunk in [*chunker.feed(text), *chunker.end()]:
        said = phonemizer(chunk)
        assert len(said.stressed) in (0, len(said.words))
        found += [word.text for word, stress in zip(said.words, said.stressed, strict=False) if stress]
    return [word.strip("*_.,!?:") for word in found]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I REALLY want to go.", ["REALLY"]),
        ("Do NOT touch that wire.", ["NOT"]),
        ("You MUST read this, and NEVER lose it.", ["MUST", "NEVER"]),
        ("That is my book, not YOURS!", ["YOURS"]),
        ("I DON'T think so.", ["DON'T"]),
        ("We work at NASA and with IBM on the IT of the US.", []),
        ("The CEO of the BBC met the FBI about AIDS and the PIN.", []),
        ("PLEASE CALL US. IT IS URGENT.", []),
        ("I was there in May.", []),
        ("Take the A train to Gate B.", []),
        ("It is **very** good and *so* cheap.", ["very", "so"]),
        ("Pay **$42** now.", ["$42"]),
        ("Nothing here is stressed at all.", []),
    ],
)
def test_stressed_words(phonemizer: MisakiPhonemizer, text: str, words: list[str]) -> None:
    assert list(dict.fromkeys(stressed(phonemizer, text))) == words


@pytest.mark.parametrize("text", ["I REALLY want to go.", "It is **very** good."])
def test_the_policy_turns_it_off(phonemizer: MisakiPhonemizer, text: str) -> None:
    assert stressed(phonemizer, text, SpeechPolicy(emphasis="skip")) == []
