"""However text comes, its chunks end where a speaker might breathe: the words and texts here know nothing of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from instruments.simulation import Speed, Text, Timed, simulate

from voiceagent.text.sound_length import sound_length_s

DATA = Path(__file__).parents[2] / "benchmarks" / "data"
SENTENCES = [
    line.split("\t")[1]
    for name in ("conversation", "librispeech_like")
    for line in (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
NOUNS = st.sampled_from("train city garden letter teacher window answer river kitchen music".split())
VERBS = st.sampled_from("watched carried forgot painted followed opened".split())
PREPOSITIONS = st.sampled_from("to with from near under without".split())
GOVERNING = "the a my your their every this to of with from into between without her".split()
AUXILIARIES = "has had will would can could is was must shouldn't hasn't we've they'll".split()
PHRASES = st.one_of(
    st.builds("{} {} {}".format, PREPOSITIONS, st.sampled_from("the a my every".split()), NOUNS),
    st.builds("{} {}".format, st.sampled_from("the my their another".split()), NOUNS),
    st.builds("the {} {} been there".format, NOUNS, st.sampled_from("has had might've".split())),
    st.builds("{} {}".format, st.sampled_from("has will must would shouldn't".split()), VERBS),
    st.builds("number {} {}".format, st.integers(1, 999), st.integers(1000, 9999)),
    st.sampled_from(["Anna Maria Lopez smiled", "New York slept", "twenty five people came", "three hundred birds sang"]),
    st.builds("(a {} again)".format, NOUNS),
    VERBS,
)  # fmt: skip
MADE = st.lists(PHRASES, min_size=2, max_size=9).map(lambda phrases: f"They {' '.join(phrases)}.")
NUMBERS = "twenty three hundred".split()


def parts_badly(before: str, after: str) -> bool:
    """Whether the text ends with a word that governs what follows, or the cut is inside a number or a name."""
    word, following = before.split()[-1], after.split()[0]
    if word[-1] in ",.;:!?—)":
        return False
    governs = word.lower() in {*GOVERNING, *AUXILIARIES, *NUMBERS, "near", "under", "another", "number", "might've"}
    named = word[0].isupper() and following[0].isupper() and word != "They" and not following.startswith("I")
    return governs or named or (word[-1].isdigit() and following[0].isdigit())


def spoken(text: str, steps: Sequence[tuple[int, float]]) -> list[str]:
    """The chunks of a text that comes in pieces of so many characters, each with a delay."""
    schedule, at, at_s = [], 0, 0.0
    for size, delay_s in [*steps, *[steps[-1]] * len(text)]:
        if at < len(text):
            schedule.append((at_s, text[at : at + size]))
            at, at_s = at + size, at_s + delay_s
    words, start, sound_s = list[Timed](), 0, 0.0
    for word in text.split():
        start = text.index(word, start)
        words.append(Timed(start, start + len(word), sound_s, sound_s + sound_length_s(word)))
        start, sound_s = start + len(word), sound_s + max(0.05, sound_length_s(word))
    (heard,) = simulate([[(Text(text, tuple(words), sound_s), schedule)]], Speed(), {"buffering": "auto"})
    assert "".join(heard.chunks) == text
    return heard.chunks


STEPS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.01, 0.033, 0.1, 0.25, 0.4])), min_size=1, max_size=12
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.sampled_from(SENTENCES), MADE), STEPS)
@example("The train to the city was late this morning, and nobody knew why.", [(3, 0.0)])
@example("The train to the city was late this morning, and nobody knew why.", [(5, 0.125)])
def test_no_chunk_ends_before_what_its_last_word_governs(text: str, steps: Sequence[tuple[int, float]]) -> None:
    chunks = spoken(text, steps)
    for count in range(1, len(chunks)):
        before, after = "".join(chunks[:count]), "".join(chunks[count:])
        if after.strip():
            assert not parts_badly(before, after), chunks


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SENTENCES), st.integers(0, 100), st.sampled_from([0.6, 2.0, 4.0]))
def test_a_stall_is_not_heard_before_what_a_word_governs(text: str, place: int, stall_s: float) -> None:
    """Words that lead on wait for what they lead to, through a stall of seconds."""
    at = 1 + place * (len(text) - 2) // 100
    chunks = spoken(text, [(at, stall_s), (len(text), 0.0)])
    for count in range(1, len(chunks)):
        before, after = "".join(chunks[:count]), "".join(chunks[count:])
        if after.strip():
            assert not parts_badly(before, after), chunks
