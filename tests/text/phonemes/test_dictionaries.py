"""The packed tables answer as the JSON that they are searched in."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hibari.g2p
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.text.phonemes.dictionaries import SortedTable, WeightTable, load_front_end

ASSETS = Path(hibari.g2p.ASSETS)
KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='{}"'), max_size=6)
STRINGS = KEYS.filter(lambda text: not text.endswith(","))  # as in the dictionaries
SAID = st.none() | STRINGS


def as_text(table: dict[str, Any]) -> bytes:
    """As the dictionaries are written."""
    return json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()


@given(st.dictionaries(STRINGS, SAID | st.dictionaries(STRINGS, SAID, max_size=3), max_size=12), st.text())
def test_a_sorted_table_is_its_object(table: dict[str, Any], other: str) -> None:
    ordered = dict(sorted(table.items(), key=lambda item: json.dumps(item[0], ensure_ascii=False)[1:-1].encode()))
    packed = SortedTable(as_text(ordered))
    for key in {*table, other}:
        assert packed.get(key) == table.get(key)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, st.floats(-9, 9), min_size=1, max_size=3), min_size=1), st.text())
def test_a_weight_table_is_its_object(table: dict[str, dict[str, float]], other: str) -> None:
    text = b'{"weights":' + as_text(table) + b"}"
    packed = WeightTable(text, text.index(b":{") + 2, len(text) - 2)
    for key in {*table, other}:
        assert packed.get(key) == table.get(key)


@pytest.mark.parametrize("name", ["us_gold", "us_silver", "gb_gold", "gb_silver"])
def test_every_word_of_a_dictionary_is_found(name: str) -> None:
    text = gzip.decompress((ASSETS / f"lexicon_{name}.json.gz").read_bytes())
    table, whole = SortedTable(text), json.loads(text)
    nested = [word for word, said in whole.items() if isinstance(said, dict)]
    for word in [*list(whole)[::29], *nested, *list(whole)[:3], *list(whole)[-3:]]:
        assert table.get(word) == whole[word]
        assert table.get(f"{word}\0") is None


def test_every_weight_of_the_tagger_is_found() -> None:
    whole = json.loads(gzip.decompress((ASSETS / "tagger.json.gz").read_bytes()))
    tagger = load_front_end(british=False).tagger
    assert (tagger.tagdict, tagger.tags, tagger.vocab) == (whole["tagdict"], whole["tags"], set(whole["vocab"]))
    for feature in [*list(whole["weights"])[::7], *(feature for feature in whole["weights"] if "\\" in feature)]:
        assert tagger.weights.get(feature) == whole["weights"][feature]
    assert tagger.weights.get("no such feature") is None


def test_the_front_end_comes_without_the_rest_of_its_package() -> None:
    program = (
        "import sys; from voiceagent.text.phonemes.dictionaries import load_front_end; load_front_end(british=False);"
        "print([name for name in ('hibari.tts', 'scipy', 'onnxruntime') if name in sys.modules]);"
        "import hibari; print(hibari.Hibari is not None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "True"]
