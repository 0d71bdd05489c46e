"""The table of must-pass cases, and where the words of normalised text came from.

must_pass.tsv: class, as written, as spoken. Compared in small letters, without punctuation, hyphens as spaces.
"""

from __future__ import annotations

import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.text import Chunker, ChunkLimits, Lexicon, LexiconError, Span, spans_of
from voiceagent.text.markup.items import Piece
from voiceagent.text.normalize import number_words as numbers
from voiceagent.text.normalize.normalizer import needs_normalizing, normalize, speak_plainly

ROWS = [
    line.split("\t")
    for line in (Path(__file__).parent.parent / "must_pass.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
WHOLE = ChunkLimits(words=(60,), lookahead=(1,), clause_words=(60,))


def canonical(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split())


def spoken(text: str, lexicon: Lexicon | None = None, limits: ChunkLimits = WHOLE) -> str:
    chunker = Chunker(limits=limits, lexicon=lexicon)
    return " ".join(chunk.spoken for chunk in chunker.feed(text) + chunker.end() if chunk.spoken)


def spans(text: str) -> list[Span]:
    chunker = Chunker(limits=WHOLE)
    return [span for chunk in chunker.feed(text) + chunker.end() for span in spans_of(chunk)]


def test_table_is_large() -> None:
    assert len(ROWS) >= 840
    assert len({written for _, written, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize("limits", [WHOLE, ChunkLimits()], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", sorted({row[0] for row in ROWS}))
def test_must_pass(kind: str, limits: ChunkLimits) -> None:
    """In one piece, and in chunks as they are spoken: no chunk may end inside a number, an address or a date."""
    wrong = [
        (written, said, canonical(expected))
        for row_kind, written, expected in ROWS
        if row_kind == kind and (said := canonical(spoken(written, limits=limits))) != canonical(expected)
    ]
    assert wrong == []


def test_spans_speak_of_the_text_as_sent() -> None:
    text = "Pay **$29.50** to [Dr. Lee](http://x.com) by 5/1."
    where = {span.word: text[span.start : span.end] for span in spans(text)}
    assert where["twenty"] == where["cents"] == "$29.50"
    assert where["Doctor"] == "Dr."
    assert where["Lee"] == "Lee"
    assert where["May"] == "5/1"
    assert where["Pay"] == "Pay"


def test_every_word_of_the_table_has_a_place() -> None:
    for _, written, _ in ROWS:
        found = spans(written)
        assert all(0 <= span.start <= span.end <= len(written) for span in found)
        assert [span.start for span in found] == sorted(span.start for span in found)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(ROWS), min_size=1, max_size=6), st.lists(st.integers(0, 1000), max_size=20))
def test_spans_and_cutting(rows: list[list[str]], marks: list[int]) -> None:
    """Spans are in order, inside the text and of its words, however the text is cut."""
    text = "\n".join(row[1] for row in rows)
    places = [0, *sorted({mark % (len(text) + 1) for mark in marks}), len(text)]
    whole, pieces = Chunker(), Chunker()
    chunks = whole.feed(text) + whole.end()
    assert [chunk for a, b in pairwise(places) for chunk in pieces.feed(text[a:b])] + pieces.end() == chunks
    found = [span for chunk in chunks for span in spans_of(chunk)]
    assert [span.start for span in found] == sorted(span.start for span in found)
    for span in found:
        assert 0 <= span.start <= span.end <= len(text)
        assert span.word == "—" or text[span.start : span.end].strip()
    assert [span.word for span in found] == " ".join(chunk.spoken for chunk in chunks).split()


def test_plain_text_is_left_alone() -> None:
    text = "Well, this is (of course) an ordinary sentence; isn't it?"
    assert not needs_normalizing(text)
    assert spoken(text) == text


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (80, "eighty"),
        (110, "one hundred ten"),
        (10**15, "one quadrillion"),
        (10**6 + 1, "one million one"),
    ],
)
def test_cardinal(number: int, expected: str) -> None:
    assert numbers.cardinal(number) == expected


def test_long_figures_are_read_digit_by_digit() -> None:
    assert speak_plainly("1" * 20) == " ".join(["one"] * 20)


@pytest.mark.parametrize(
    "unit",
    [
        "1.1.",
        "1-",
        "$1",
        "1/",
        "a1",
        "1,",
        "x^2",
        "5 kg ",
        "http://",
        "a@b.",
        "(1) ",
        "'9",
        "1:0",
        "-5",
        "%1",
        "No. ",
        "I.",
    ],
)
def test_hostile_figures_take_linear_time(unit: str) -> None:
    started = time.thread_time()
    for _ in range(20):
        text = unit * (250 // len(unit))
        normalize([Piece(text, 0, len(text))])
    assert time.thread_time() - started < 1.0


def test_lexicon(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.toml"
    path.write_text(
        '[words]\nnguyen = "win"\nSQL = { say = "sequel" }\n"data base" = "database"\ngif = { phonemes = "ʤˈɪf" }\n',
        "utf-8",
    )
    lexicon = Lexicon.load(path)
    assert (
        spoken("Mr. Nguyen likes SQL, sql and a data base.", lexicon) == "Mister win likes sequel, sql and a database."
    )
    chunker = Chunker(lexicon=lexicon)
    (chunk,) = [*chunker.feed("A GIF!"), *chunker.end()]
    assert [(span.word, span.phonemes) for span in spans_of(chunk)] == [("A", ""), ("GIF!", "ʤˈɪf!")]
    assert [(span.start, span.end) for span in spans_of(chunk)] == [(0, 1), (2, 6)]


@pytest.mark.parametrize(
    "content", ["words = 3", "[words]\na = 3", "[words]\na = {say='b', phonemes='c'}", "[words]\na = {}", "not toml ["]
)
def test_bad_lexicon(tmp_path: Path, content: str) -> None:
    path = tmp_path / "lexicon.toml"
    path.write_text(content, "utf-8")
    with pytest.raises(LexiconError):
        Lexicon.load(path)


def test_missing_lexicon(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="No such file"):
        Lexicon.load(tmp_path / "none.toml")
