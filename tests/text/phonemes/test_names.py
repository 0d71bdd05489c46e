"""Names and foreign words, and words that were written without a letter."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import voiceagent.text.phonemes.names as names
from voiceagent.model.symbols import INDEX
from voiceagent.text import Chunk, MisakiPhonemizer
from voiceagent.text.phonemes.names import SortedLines, unaccented

DATA = Path(names.__file__).parent


@lru_cache(maxsize=1)
def phonemizer() -> MisakiPhonemizer:
    return MisakiPhonemizer()


def say(text: str) -> str:
    return " ".join(word.phonemes for word in phonemizer()(Chunk(text, 0, text, "", True)).words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Siobhan, Joaquin.", "ʃəvˈɔn, wɑkˈin."),
        ("Joaquín's gnocchi", "wɑkˈinz nˈOki"),
        ("XIAOMI, Reykjavík.", "ʃˈWmi, ɹˈAkjəvɪk."),
        ("McKesson, Abernathy.", "məkˈɛsᵊn, ˈæbəɹnˌæθi."),
        ("The Louvre", "ðə lˈuvɹə"),
        ("Pan Am flew.", "pˈæn ˈæm flˈu."),
        ("th' load, movin'.", "ðə lˈOd, mˈuvɪn."),
        ("lovin’ it", "lˈʌvɪn ɪt"),
    ],
)
def test_names_and_clipped_words(text: str, expected: str) -> None:
    got = say(text)
    assert got.replace("ˌ", "") == expected.replace("ˌ", "")


def test_every_entry_is_one_that_the_voices_can_say() -> None:
    rows = (DATA / "names.tsv").read_text(encoding="utf-8").splitlines()
    rows += gzip.decompress((DATA / "cmudict.tsv.gz").read_bytes()).decode().splitlines()
    wrong = [row for row in rows if not row.startswith("#") and set(row.split("\t")[1]) - set(INDEX)]
    assert wrong == []
    written = [row.split("\t")[0] for row in rows if not row.startswith("#")]
    assert len(written) > 60_000


@given(
    st.dictionaries(
        st.text(st.characters(blacklist_characters="\t\n\r", blacklist_categories=["Cs"]), min_size=1), st.text("abc")
    )
)
def test_sorted_lines_find_what_a_dict_finds(table: dict[str, str]) -> None:
    rows = sorted(f"{word}\t{value}".encode() for word, value in table.items())
    lines = SortedLines(b"\n".join(rows))
    for word in [*table, "", "a", "zz", "b\ud800"]:
        assert lines.find(word) == table.get(word)


def test_accents_are_no_obstacle() -> None:
    assert unaccented("Kraków, Øster, façade, naïve") == "Krakow, Oster, facade, naive"
