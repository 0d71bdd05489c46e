"""Where a chunk may end for want of punctuation: not before what its last word governs, not inside a number or a name."""

from __future__ import annotations

import pytest

from voiceagent.text.chunker import Chunker
from voiceagent.text.limits import ChunkLimits
from voiceagent.text.phrases import FAIR, GOOD, NEVER, break_between, inside_brackets


@pytest.mark.parametrize(
    "pair",
    """the|city  to|the  of|tea  your|house  every|day  another|one  without|sugar  during|lunch  would|like  has|gone
    I've|set  it'll|be  didn’t|know  that's|right  you're|late  cannot|say  not|pity  5|million  room|12  twenty|five
    three|apples  a|hundred  two|thousand  New|York  Daniel|Okafor  Dr.|Wu  Mrs|Lee  Isle|of  Leonardo|da  $5|today
    221B|Baker  hundred|dollars  at|9:12  call|555""".split(),
)
def test_never_inside_what_belongs_together(pair: str) -> None:
    word, following = pair.split("|")
    assert break_between(word, following) == NEVER


@pytest.mark.parametrize("pair", "and|then you|are because|it very|good cup|of all|who It|was I|think".split())
def test_better_not_after_what_leans_on(pair: str) -> None:
    word, following = pair.split("|")
    assert break_between(word, following) == FAIR


@pytest.mark.parametrize(
    "pair", "train|to city|and Priya!|It's leaves|at yesterday|she Paris|I one|two (softly)|and".split()
)
def test_well_between_phrases(pair: str) -> None:
    word, following = pair.split("|")
    assert break_between(word, following) == GOOD


@pytest.mark.parametrize(
    ("words", "inside"), [("We met (her", True), ("We met (her) and", False), ("a) first [b", True), ("b) so", False)]
)
def test_brackets(words: str, inside: bool) -> None:
    assert inside_brackets(words.split()) == inside


def test_a_bracketed_aside_is_kept_whole_where_it_can_be() -> None:
    chunker = Chunker(limits=ChunkLimits(words=(30,)))
    assert chunker.feed("We met Anna (her brother plays chess ") == []
    (chunk,) = chunker.cut(least_s=0.3)
    assert chunk.text == "We met Anna "


def test_where_nothing_may_end_nothing_is_closed() -> None:
    chunker = Chunker()
    for text in ("The ", "to the ", "with my "):
        chunker.feed(text)
        assert chunker.cut() == chunker.cut(stalled=True) == chunker.cut(least_s=0.1) == []
    (chunk,) = (*chunker.feed("hands "), *chunker.end())
    assert chunk.text == "The to the with my hands "
