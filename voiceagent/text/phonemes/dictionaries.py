"""The dictionaries and the tagger of the grapheme-to-phoneme front end, packed.

As Python objects they take 120 MB, most of it for strings and small dictionaries that are never looked at. Here they stay the
JSON text that they are, with an index of hashes beside it; an entry is parsed when it is asked for.
"""

from __future__ import annotations

import gzip
import json
import re
from array import array
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from voiceagent.text.phonemes.names import Fallback

__all__ = ["PackedTable", "load_front_end"]

_STRING: Final = rb'"((?:[^"\\]|\\.)*)"'
_ENTRY: Final = re.compile(
    _STRING + rb'\s*:\s*("(?:[^"\\]|\\.)*"|\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}|\[[^\[\]]*\]|null|true|false|-?[\d.eE+-]+)'
)
_CACHED: Final = 4_096


class PackedTable:
    """A JSON object whose values hold no objects of objects, read-only: `get` is all that the front end asks of it.

    text: where the object stands in it, from `start` to `end`.
    """

    def __init__(self, text: bytes, start: int = 0, end: int | None = None) -> None:
        import numpy as np

        self._text = text
        hashes, places = array("q"), array("I")
        for match in _ENTRY.finditer(text, start, len(text) if end is None else end):
            key = match[1]
            hashes.append(hash(json.loads(b'"%b"' % key) if b"\\" in key else key.decode()))
            places.append(match.start())
        order = np.argsort(np.frombuffer(hashes, np.int64), kind="stable")
        self._hashes = array("q", np.frombuffer(hashes, np.int64)[order].tobytes())
        self._places = array("I", np.frombuffer(places, np.uint32)[order].tobytes())
        self.get = lru_cache(_CACHED)(self._find)

    def __len__(self) -> int:
        return len(self._places)

    def _find(self, key: str) -> Any:
        """The value of `key`, or None."""
        wanted = hash(key)
        at = bisect_left(self._hashes, wanted)
        found = None
        while at < len(self._hashes) and self._hashes[at] == wanted:
            match = _ENTRY.match(self._text, self._places[at])
            if match is not None and json.loads(b'"%b"' % match[1]) == key:
                found = json.loads(match[2])  # of equal keys the last one counts, as in JSON
            at += 1
        return found


def load_front_end(*, british: bool) -> Any:
    """The front end `hibari.g2p.G2P`, with its tables packed."""
    import hibari.g2p as front
    from hibari.g2p.lexicon import Lexicon
    from hibari.g2p.tagger import Tagger
    from hibari.g2p.tokenize import Tokenizer

    assets = Path(front.ASSETS)
    accent = "gb" if british else "us"
    gold, silver = (PackedTable(_unpacked(assets / f"lexicon_{accent}_{kind}.json.gz")) for kind in ("gold", "silver"))
    behind = silver if british else Fallback(silver)
    g2p = front.G2P.__new__(front.G2P)  # its constructor would load everything the other way
    g2p.lexicon = Lexicon(gold, behind, british)
    g2p.tokenizer = Tokenizer(json.loads((assets / "tokenizer_exceptions.json").read_bytes()))
    g2p.tagger = Tagger(_model(_unpacked(assets / "tagger.json.gz")))
    g2p._oov, g2p.unk, g2p.british = None, "", british
    return g2p


def _unpacked(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read()


def _model(text: bytes) -> dict[str, Any]:
    """The tables of the tagger; the small ones as they are."""
    model: dict[str, Any] = {}
    section = re.compile(rb'\s*[{,]\s*"(tagdict|tags|vocab|weights)"\s*:\s*')
    at = 0
    while (match := section.match(text, at)) is not None:
        name, start = match[1].decode(), match.end()
        if name in ("tags", "vocab"):
            decoder = json.JSONDecoder()
            end = text.index(b"]", start) + 1
            while True:  # a "]" may stand inside a string
                try:
                    model[name] = decoder.decode(text[start:end].decode())
                    break
                except json.JSONDecodeError:
                    end = text.index(b"]", end) + 1
        else:
            end = _end_of_object(text, start)
            model[name] = PackedTable(text, start + 1, end)
        at = end
    return model


def _end_of_object(text: bytes, start: int) -> int:
    """Behind the object that opens at `start`."""
    at = start + 1
    entry = re.compile(_ENTRY.pattern + rb"\s*,?\s*")
    while (match := entry.match(text, at)) is not None:
        at = match.end()
    return text.index(b"}", at) + 1
