"""Text in other languages: chunks by their own punctuation, numbers in words, phonemes that the teacher knows, spans."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.errors import InputError
from voiceagent.errors.extras import EXTRAS
from voiceagent.model.symbols import INDEX
from voiceagent.text.chunk import Chunk
from voiceagent.text.languages import registry
from voiceagent.text.languages.chunker import LanguageChunker
from voiceagent.text.phonemes.phonemizer import PhonemeText

for module in (*EXTRAS["mandarin"].modules, *EXTRAS["romance"].modules):
    pytest.importorskip(module)

TEXTS = {
    "zh": "北京今天的最高气温是28度，AI和Python很有用。会议在9:30开始！重庆银行行长说：“你好”。",
    "es": "Hola, ¿cómo está usted? El tren sale a las 9:30 y cuesta $12,50. En 2026 había 1.234 personas; el 50% son jóvenes.",
    "fr": "Bonjour, aujourd'hui il fait 28 degrés. L'été, ça coûte 12,50 €.",
    "it": "La città è bella: 3 amici hanno mangiato 12 pizze, perché no?",
    "pt": "Não sei. O coração tem 4 câmaras, amanhã às 10:00.",
}


def cut(language: str, pieces: list[str]) -> list[Chunk]:
    """All chunks of a text that comes in pieces."""
    chunker = LanguageChunker(language)
    return [*(chunk for piece in pieces for chunk in chunker.feed(piece)), *chunker.end()]


def said(language: str, text: str) -> PhonemeText:
    """The phonemes of a text in one chunk."""
    return registry.phonemizer_of(language)(Chunk(text, 0, text, "", True))


def in_pieces(text: str, seed: int) -> list[str]:
    """A text, torn anywhere."""
    rng, pieces = random.Random(seed), []
    while text:
        size = rng.randint(1, 9)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize("language", TEXTS)
def test_where_chunks_close_depends_on_the_text_alone(language: str) -> None:
    text = TEXTS[language] * 3
    whole = cut(language, [text])
    assert len(whole) > 2
    for seed in range(20):
        assert cut(language, in_pieces(text, seed)) == whole


@given(st.sampled_from(sorted(TEXTS)), st.text(max_size=300), st.integers(0, 9))
def test_chunks_cover_any_text_without_a_gap(language: str, text: str, seed: int) -> None:
    chunks = cut(language, in_pieces(text, seed))
    assert "".join(chunk.text for chunk in chunks) == text
    assert [chunk.start for chunk in chunks] == [sum(len(c.text) for c in chunks[:n]) for n in range(len(chunks))]
    assert [chunk.final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_endless_text_without_punctuation_is_spoken_all_the_same() -> None:
    assert max(len(chunk.text) for chunk in cut("zh", ["字" * 5_000])) < 60
    assert max(len(chunk.text) for chunk in cut("es", ["palabra " * 2_000])) <= 400
    assert max(len(chunk.text) for chunk in cut("fr", ["a" * 20_000])) <= 800


def test_what_waits_can_be_closed_before_its_time() -> None:
    chunker = LanguageChunker("zh")
    assert chunker.feed("今天的天气") == []
    assert chunker.waiting_s > 1
    assert chunker.cut(least_s=60) == []
    (chunk,) = chunker.poll(9.0)
    assert (chunk.text, chunk.lookahead) == ("今天的天", "气")
    assert [c.text for c in chunker.end()] == ["气"]
    with pytest.raises(ValueError, match="ended"):
        chunker.feed("了")


@pytest.mark.parametrize("language", TEXTS)
def test_every_phoneme_is_of_the_alphabet_and_words_know_their_place(language: str) -> None:
    text = TEXTS[language]
    words = [word for chunk in cut(language, [text]) for word in registry.phonemizer_of(language)(chunk).words]
    assert {symbol for word in words for symbol in word.phonemes} <= set(INDEX)
    assert [word.text for word in words] == [text[word.start : word.end] for word in words]
    starts = [word.start for word in words]
    assert starts == sorted(starts)
    for place in (at for at, character in enumerate(text) if character.isalnum()):
        assert any(word.start <= place < word.end for word in words), f"{text[place]!r} is not said"


@given(st.sampled_from(sorted(TEXTS)), st.text(max_size=80))
def test_no_text_raises_and_none_leaves_the_alphabet(language: str, text: str) -> None:
    for word in said(language, text).words:
        assert word.phonemes
        assert " " not in word.phonemes
        assert 0 <= word.start <= word.end <= len(text)


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("zh", "28度", "二十八度"), ("zh", "2026年", "二零二六年"), ("zh", "50%", "百分之五十"),
        ("zh", "9:30", "九点三十分"),
        ("zh", "8:00", "八点整"), ("zh", "¥25", "二十五元"), ("zh", "13800138000", "一三八零零一三八零零零"),
        ("zh", "1,250", "一千二百五十"),
        ("es", "21", "veintiuno"), ("es", "1.234", "mil doscientos treinta y cuatro"), ("es", "3,5", "tres coma cinco"),
        ("es", "50%", "cincuenta por ciento"), ("es", "$12", "doce dólares"), ("es", "9:30", "nueve treinta"),
        ("es", "007", "cero cero siete"),
        ("fr", "80", "quatre-vingts"), ("fr", "71", "soixante et onze"), ("fr", "1er", "premier"), ("fr", "12 €", "douze euros"),
        ("fr", "2,05", "deux virgule zéro cinq"),
        ("it", "28", "ventotto"), ("it", "1.000.000", "un milione"), ("it", "€3", "tre euro"),
        ("pt", "4", "quatro"), ("pt", "2026", "dois mil e vinte e seis"), ("pt", "5&6", "cinco e seis"),
    ],
)  # fmt: skip
def test_figures_sound_as_the_words_do(language: str, written: str, spoken: str) -> None:
    def sounds(text: str) -> str:
        return "".join(word.phonemes for word in said(language, text).words)

    assert sounds(written) == sounds(spoken)


@pytest.mark.parametrize(
    ("language", "word", "phonemes"),
    [
        ("zh", "你好", "ni↓xau↓"), ("zh", "银行", "i↗nxa↗ŋ"), ("zh", "重庆", "ꭧʰʊ↗ŋʨʰi↘ŋ"), ("zh", "行人", "ɕi↗ŋɻə↗n"),
        ("es", "está", "estˈa"), ("es", "casa", "kˈasa"), ("es", "jóvenes", "xˈoβenes"), ("es", "había", "aβˈia"),
        ("it", "perché", "perkˈe"), ("it", "città", "ʧittˈa"), ("pt", "amanhã", "amɐɲˈɐ̃"),
        ("fr", "l'eau", "lo"), ("fr", "qu’il", "kil"), ("fr", "c'est", "sɛ"), ("it", "l'amico", "lamˈiko"), ("it", "c'è", "ʧɛ"),
    ],
)  # fmt: skip
def test_readings(language: str, word: str, phonemes: str) -> None:
    assert "".join(w.phonemes for w in said(language, word).words) == phonemes


def test_a_foreign_word_in_mandarin_is_read_as_english_and_other_scripts_are_told_of() -> None:
    mixed = said("zh", "我用Python写程序。")
    assert [word.phonemes for word in mixed.words if word.text == "Python"] == ["pˈIθˌɑn"]
    assert mixed.warnings == ()
    for language, text in (("zh", "他说привет。"), ("es", "dijo привет."), ("fr", "il dit 你好.")):
        assert "script that is not spoken" in " ".join(said(language, text).warnings)


def test_markup_is_not_spoken() -> None:
    marked, plain = said("es", "**Hola** [amigo](https://x.org/a?b=1)"), said("es", "Hola amigo")
    assert [word.phonemes for word in marked.words] == [word.phonemes for word in plain.words]
    assert [w.text for w in said("zh", "# 标题\n- 苹果").words] == ["标题", "苹果"]


def test_without_its_extra_a_language_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    for language, package in (("zh", "jieba"), ("it", "g2p2-group-romance")):
        with pytest.raises(InputError, match=f"pip install .*{package}"):
            registry.chunker_of(language)
    assert registry.readable() == ["en"]
