"""Mandarin to phonemes, by jieba, pypinyin and misaki: the alphabet that the teacher of many voices was trained
with.
"""

from __future__ import annotations

import re
import tempfile
from functools import cached_property
from typing import Any, Final

from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.languages.written import spoken_words
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer, PhonemeText

__all__ = ["MandarinPhonemizer"]

_PIECE: Final = re.compile(
    r"(?P<zh>[\u3400-\u9fff\uf900-\ufaff]+)|(?P<latin>[A-Za-zÀ-ſ][A-Za-zÀ-ſ'’-]*)|(?P<digits>\d+)|(?P<mark>\S)"
)
_MARKS: Final = {
    "，": ",", "、": ",", "。": ".", "．": ".", "！": "!", "？": "?", "：": ":", "；": ";",
    "…": "…", "—": "—", ",": ",",
    ".": ".",
    "!": "!", "?": "?", ":": ":", ";": ";",
}  # fmt: skip
_SILENT: Final = frozenset("《》「」『』【】（）()“”\"'‘’«»-·")


class MandarinPhonemizer:
    """Words as jieba cuts them; a word in Latin letters is read as English; other scripts are left out with a
    warning.
    """

    def __call__(self, chunk: Chunk) -> PhonemeText:
        traced = spoken_words(chunk, "zh")
        words: list[Word] = []
        warnings = [f"could not be put into words: {part}" for part in dict.fromkeys(traced.unread)]
        for match in _PIECE.finditer(traced.text):
            first = match.start()
            if match["mark"]:
                self._mark(match["mark"], words, warnings)
                continue
            for part in self._cut(match["zh"]) if match["zh"] else [match.group()]:
                start, end = traced.starts[first], max(traced.ends[first : first + len(part)])
                first += len(part)
                text = chunk.text[start - chunk.start : end - chunk.start]
                said = self._phonemes(part) if match["zh"] else self._english(part)
                if not said:
                    warnings.append(f"nothing is known of how this is read: {part[:20]}")
                words += [Word(text, start, end, phonemes) for phonemes in said.split(" ") if phonemes]
        ahead = [self._phonemes(part) for part in self._cut("".join(re.findall(r"[\u3400-\u9fff]", chunk.lookahead)))]
        return PhonemeText(tuple(words), tuple(filter(None, ahead)), (*chunk.warnings, *dict.fromkeys(warnings)))

    @staticmethod
    def _mark(mark: str, words: list[Word], warnings: list[str]) -> None:
        if mark in _MARKS:
            if words and words[-1].phonemes[-1] not in ".,!?:;…—":
                last = words[-1]
                words[-1] = Word(last.text, last.start, last.end, last.phonemes + _MARKS[mark])
        elif mark not in _SILENT and mark.isalpha():
            warnings.append("some text is in a script that is not spoken here; it was left out")

    @cached_property
    def _jieba(self) -> Any:
        import jieba

        jieba.setLogLevel("ERROR")
        tokenizer = jieba.Tokenizer()
        # It would read a cache of code from the folder of temporary files, where others may have put one.
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.tmp_dir = folder
            tokenizer.initialize()
        return tokenizer

    def _cut(self, text: str) -> list[str]:
        return list(self._jieba.cut(text)) if text else []

    @staticmethod
    def _phonemes(word: str) -> str:
        """Phonemes of a word; "" where a character has no reading."""
        from misaki.zh import ZHG2P

        try:
            return str(ZHG2P.word2ipa(word)).replace(chr(815), "")
        except (ValueError, AssertionError, KeyError):  # what pypinyin does not know comes back as it was
            return "" if len(word) == 1 else "".join(map(MandarinPhonemizer._phonemes, word))

    @cached_property
    def _front_end(self) -> MisakiPhonemizer:
        return MisakiPhonemizer()

    def _english(self, word: str) -> str:
        said = self._front_end(Chunk(word, 0, word, "", False))
        return " ".join(part.phonemes for part in said.words)
