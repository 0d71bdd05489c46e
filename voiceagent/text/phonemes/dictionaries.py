"""The dictionaries and the tagger of the grapheme-to-phoneme front end, ready in a tenth of a second and never
unpacked.

As Python objects they take 120 MB and a second to build. Here they stay the JSON text that they are: a dictionary,
whose words are sorted, is searched by bisection in the text itself; the tagger's weights, which are not, have an index
of hashes beside them. An entry is parsed when it is asked for.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import zlib
from array import array
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from voiceagent.settings import onnx_runtime
from voiceagent.text.phonemes.names import Fallback

__all__ = ["SortedTable", "WeightTable", "load_front_end"]

_ENTRY: Final = re.compile(rb'"((?:[^"\\]|\\.)*)":("(?:[^"\\]|\\.)*"|\{[^{}]*\}|null)')
_CACHED: Final = 4_096
_LONGEST_VALUE: Final = 1_024  # bytes of an object that is a value
_FNV_START, _FNV_PRIME = 2_166_136_261, 16_777_619
_GZIP = 16 + zlib.MAX_WBITS


def _escaped(key: str) -> bytes:
    """A key as it stands in the text."""
    return json.dumps(key, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")


class SortedTable:
    """A JSON object without spaces, its keys in the order of their characters, read-only: `get` is all that is asked of
    it.

    Its values are strings, objects of strings or null, and no string ends with a comma.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.get = lru_cache(_CACHED)(self._find)

    def _find(self, key: str) -> Any:
        """The value of `key`, or None."""
        wanted, low, high = _escaped(key), 1, len(self._text) - 1
        while low < high:
            at = self._entry_before((low + high) // 2, low)
            match = _ENTRY.match(self._text, at)
            if match is None:
                return None
            if match[1] == wanted:
                return json.loads(match[2])
            if match[1] < wanted:
                low = match.end() + 1
            else:
                high = at
        return None

    def _entry_before(self, place: int, low: int) -> int:
        """Where the entry begins that holds `place`, or `low`, which begins one."""
        while (comma := self._text.rfind(b',"', low, place)) >= 0:
            reach = max(low, comma - _LONGEST_VALUE)
            opened = self._text.rfind(b"{", reach, comma)
            if opened <= self._text.rfind(b"}", reach, comma):
                return comma + 1
            place = opened  # the comma is inside a value
        return low


class WeightTable:
    """A JSON object of objects without spaces, read-only: `get` is all that is asked of it.

    text: where the object stands in it, from `start`, behind its brace, to `end`.
    """

    def __init__(self, text: bytes, start: int, end: int) -> None:
        import numpy as np

        self._text = text
        place = np.frombuffer(text, np.uint8)[start:end]
        opens = np.flatnonzero((place[:-2] == ord('"')) & (place[1:-1] == ord(":")) & (place[2:] == ord("{")))
        closes = np.flatnonzero(place == ord("}"))
        ends = closes[np.searchsorted(closes, opens)]
        begins = np.concatenate(([1], ends[:-1] + 3))  # behind `},"`
        hashes = np.full(len(opens), _FNV_START, np.uint32)
        lengths = opens - begins
        left = np.arange(len(opens))
        for column in range(int(lengths.max())):
            left = left[lengths[left] > column]
            hashes[left] = (hashes[left] ^ place[begins[left] + column]) * np.uint32(_FNV_PRIME)
        order = np.argsort(hashes)
        self._hashes = array("I", hashes[order].tobytes())
        self._places = array("I", (begins[order] + (start - 1)).astype(np.uint32).tobytes())
        self.get = lru_cache(_CACHED)(self._find)

    def _find(self, key: str) -> Any:
        """The value of `key`, or None."""
        wanted, hashed = _escaped(key), _FNV_START
        for byte in wanted:
            hashed = (hashed ^ byte) * _FNV_PRIME & 0xFFFF_FFFF
        at = bisect_left(self._hashes, hashed)
        while at < len(self._hashes) and self._hashes[at] == hashed:
            match = _ENTRY.match(self._text, self._places[at])
            if match is not None and match[1] == wanted:
                return json.loads(match[2])
            at += 1
        return None


class UnknownWords:
    """The network that reads words that no dictionary has; it is loaded when the first one comes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read: Any = None

    def __call__(self, word: str) -> str | None:
        """The phonemes of a word."""
        if self._read is None:
            from hibari.g2p.oov import OOV

            session = onnx_runtime.load().InferenceSession(
                str(self._file), onnx_runtime.options(), providers=["CPUExecutionProvider"]
            )
            self._read = OOV(str(self._file), session)
        phonemes: str | None = self._read(word)
        return phonemes


def load_front_end(*, british: bool) -> Any:
    """The front end `hibari.g2p.G2P`, with its tables as they are on disk."""
    front = _front_end()
    from hibari.g2p.lexicon import Lexicon
    from hibari.g2p.tagger import Tagger
    from hibari.g2p.tokenize import Tokenizer

    assets = Path(front.ASSETS)
    accent = "gb" if british else "us"
    gold, silver = (SortedTable(_unpacked(assets / f"lexicon_{accent}_{kind}.json.gz")) for kind in ("gold", "silver"))
    behind = silver if british else Fallback(silver)
    g2p = front.G2P.__new__(front.G2P)  # its constructor would load everything the other way
    g2p.lexicon = Lexicon(gold, behind, british)
    g2p.tokenizer = Tokenizer(json.loads((assets / "tokenizer_exceptions.json").read_bytes()))
    g2p.tagger = Tagger(_tagger(_unpacked(assets / "tagger.json.gz")))
    g2p._oov, g2p.unk, g2p.british = UnknownWords(assets / ("oov_gb.onnx" if british else "oov.onnx")), "", british
    return g2p


def _front_end() -> Any:
    """`hibari.g2p` without the rest of the package, which would bring its own voice, and SciPy where that is
    installed.
    """
    if "hibari" in sys.modules or (spec := importlib.util.find_spec("hibari")) is None:
        return importlib.import_module("hibari.g2p")
    bare = ModuleType("hibari")
    bare.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["hibari"] = bare
    try:
        return importlib.import_module("hibari.g2p")
    finally:
        del sys.modules["hibari"]  # whoever imports it gets all of it


def _unpacked(path: Path) -> bytes:
    return zlib.decompress(path.read_bytes(), _GZIP)


def _tagger(text: bytes) -> dict[str, Any]:
    """The tables of the tagger; the small ones as they are, the weights, which come last, as a table."""
    begin = text.index(b'"weights":{') + len(b'"weights":{')
    model: dict[str, Any] = json.loads(text[:begin] + b"}}")
    model["weights"] = WeightTable(text, begin, len(text) - 2)
    return model
