"""Sounds that a text asks for are not read aloud; ordinary brackets, emphasis and links are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.text import Chunker, SpeechPolicy
from voiceagent.text.chunk import Chunk
from voiceagent.text.markup.cues import is_cue, silence_of

CUES = [
    "[laughs]", "[laughing]", "[Laughter]", "[sighs deeply]", "[clears throat]", "[long pause]", "[music]", "[applause]",
    "[breathing heavily]", "[laughs nervously]", "[crying]", "[whispers]", "(sighs)", "(laughs)", "(Laughing)", "(clears throat)",
    "(chuckles softly)", "(takes a deep breath)", "(coughs)", "(sigh)", "(gasps)", "(long pause)", "(laughs to himself)", "<laugh>",
    "<chuckle>", "<sigh/>", "<cough />", "<gasp>", "<breath/>", "<laugh></laugh>", "*coughs*", "*sighs*", "*clears throat*",
    "*takes a deep breath*", "*laughs nervously*", "*lets out a long sigh*", "_sighs_",
]  # fmt: skip
ORDINARY = {
    "(see below)": "(see below)", "(e.g. coughing)": None, "(music)": "(music)", "(coughing)": "(coughing)",
    "(he laughs at it)": "(he laughs at it)", "(still working on it)": "(still working on it)", "(takes two)": "(takes two)",
    "(sighs are common)": "(sighs are common)", "[the king]": "the king", "[citation needed]": "citation needed",
    "[laughs](https://example.com)": "laughs", "*really*": "really", "**laughs**": "laughs", "(clears)": "(clears)",
    "(pause)": "(pause)", "(a long way)": "(a long way)", "(beat)": "(beat)",
}  # fmt: skip


def chunks_of(text: str, policy: SpeechPolicy | None = None, cut: int | None = None) -> list[Chunk]:
    chunker = Chunker(policy)
    chunks = []
    for begin in range(0, len(text), cut or len(text)):
        chunks += chunker.feed(text[begin : begin + (cut or len(text))])
    return chunks + chunker.end()


def spoken(text: str, policy: SpeechPolicy | None = None) -> str:
    return " ".join(chunk.spoken for chunk in chunks_of(text, policy) if chunk.spoken)


@pytest.mark.parametrize("cue", CUES)
@pytest.mark.parametrize(
    "frame", ["{} I see what you mean.", "Well, {} I see what you mean.", "I see what you mean. {}"]
)
def test_a_sound_is_not_read(cue: str, frame: str) -> None:
    without = spoken(frame.replace("{} ", "").replace(" {}", ""))
    assert spoken(frame.format(cue)) == without


@pytest.mark.parametrize("cue", CUES)
def test_a_sound_is_no_matter_of_warning(cue: str) -> None:
    assert not any(chunk.warnings for chunk in chunks_of(f"Well, {cue} I see."))


@pytest.mark.parametrize(("text", "shown"), ORDINARY.items())
def test_ordinary_brackets_and_emphasis_are_read(text: str, shown: str | None) -> None:
    for frame in ("{} We went on with it.", "We know this, {} and went on.", "We went on with {}"):
        said = spoken(frame.format(text))
        if shown is not None:
            assert shown in said
        else:
            assert "coughing" in said


@pytest.mark.parametrize("before", ["He", "She", "Nobody", "Anna", "the man who", "and"])
def test_a_verb_with_its_subject_is_emphasis_and_no_sound(before: str) -> None:
    assert "laughs" in spoken(f"We know {before} *laughs* at it.")


@pytest.mark.parametrize("before", ["Well", "oh", "yes", "I guess so"])
def test_a_sound_behind_an_interjection_or_a_clause(before: str) -> None:
    assert "sighs" not in spoken(f"{before} *sighs* we go on.")


def test_what_is_done_instead_is_the_policys_choice() -> None:
    text = "Well, [laughs] that was it."
    assert [chunk.pause_s for chunk in chunks_of(text) if chunk.pause_s] == []
    assert [chunk.pause_s for chunk in chunks_of(text, SpeechPolicy(sounds="pause")) if chunk.pause_s] == [0.3]
    assert spoken(text, SpeechPolicy(sounds="speak")) == "Well, laughs that was it."
    assert spoken("Well, (sighs) fine.", SpeechPolicy(sounds="speak")) == "Well, (sighs) fine."


@pytest.mark.parametrize(
    ("cue", "seconds"),
    [("[pause]", 0.4), ("[beat]", 0.3), ("(long pause)", 0.8), ("[short pause]", 0.2), ("[laughs]", 0)],
)
def test_a_pause_is_a_pause(cue: str, seconds: float) -> None:
    assert silence_of(cue) == pytest.approx(seconds)
    assert sum(chunk.pause_s for chunk in chunks_of(f"Stop. {cue} Go on.")) == pytest.approx(seconds)


@given(st.data())
def test_streamed_equals_whole(data: st.DataObject) -> None:
    words = [
        *CUES,
        *ORDINARY,
        "Well,",
        "then",
        "he",
        "goes",
        "on.",
        "(an",
        "aside)",
        "*so*",
        "**very**",
        "\n",
        "(takes",
        "*long",
    ]
    text = " ".join(data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=14)))
    assert chunks_of(text, cut=data.draw(st.integers(1, 9))) == chunks_of(text)


def test_a_cue_that_is_not_closed_holds_nothing_back_for_long() -> None:
    chunker = Chunker()
    text = "Well then, (takes a deep look at all of it and goes on with that"
    fed = [chunk for character in text for chunk in chunker.feed(character)]
    assert "takes" in " ".join(chunk.spoken for chunk in fed)


@given(st.text(alphabet="abcdeghiklmnoprstuy' ", min_size=1, max_size=30))
def test_other_words_are_no_sound(words: str) -> None:
    assert not is_cue(f"(xyzzy {words})", "")
