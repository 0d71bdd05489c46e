"""Written words of other languages to spoken ones: numbers by a library, a few signs by a table, markup left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from voiceagent.text.chunk import Chunk
from voiceagent.text.markup.items import Piece
from voiceagent.text.normalize.traced import Traced

__all__ = ["spoken_words"]

_LINK: Final = re.compile(r"!?\[([^\]\n]{0,200})\]\([^)\s]{0,500}\)")
_ADDRESS: Final = re.compile(r"https?://(?:www\.)?([\w.-]{1,80})\S*")
_MARKS: Final = re.compile(r"[*_#`|~<>\\{}\[\]]|^\s*[-+•]\s", re.MULTILINE)
_SIGN_ORDER: Final = "%&€$£+=@°"
_SIGN_NAMES: Final = {
    "es": "por ciento|y|euros|dólares|libras|más|igual a|arroba|grados",
    "fr": "pour cent|et|euros|dollars|livres|plus|égale|arobase|degrés",
    "it": "per cento|e|euro|dollari|sterline|più|uguale a|chiocciola|gradi",
    "pt": "por cento|e|euros|dólares|libras|mais|igual a|arroba|graus",
}
_SIGNS: Final = {
    language: {sign: f" {name} " for sign, name in zip(_SIGN_ORDER, names.split("|"), strict=True)}
    for language, names in _SIGN_NAMES.items()
} | {"zh": {"&": "和", "+": "加", "=": "等于", "@": "艾特", "°": "度", "℃": "摄氏度"}}
# Money before its number, as it is written in English, is spoken behind it.
_PREFIXED: Final = re.compile(r"([€$£¥])\s?(\d[\d.,]*\d|\d)")
_NUMBER: Final = re.compile(r"(?<![\w.,])[-−]?\d(?:[\d.,\u00a0\u202f]*\d)?")
_CLOCK: Final = re.compile(r"\b(\d{1,2})[:h](\d{2})\b")
_GROUPED: Final = re.compile(r"\d{1,3}(?:[.,\u00a0\u202f]\d{3})+")
_FIGURES: Final = re.compile(r"[¥￥$]?\d[\d.,:/%年月日度℃％-]*")
_FRENCH_ORDINALS: Final = {"1er": "premier", "1re": "première", "1ère": "première", "2e": "deuxième"}
_FRENCH_ORDINAL: Final = re.compile(r"\b(?:1er|1re|1ère|2e)\b")
_LONGEST: Final = 15  # digits of a number that is read as one


def spoken_words(chunk: Chunk, language: str) -> Traced:
    """What a chunk says, each character with where it came from in the text as sent; what no rule reads is in
    `unread`.
    """
    traced = Traced.of([Piece(chunk.text, chunk.start, chunk.start + len(chunk.text))])
    traced.substitute(_LINK, lambda match: match[1])
    traced.substitute(_ADDRESS, lambda match: match[1])
    traced.substitute(_MARKS, lambda match: " ")
    if language == "zh":
        traced.substitute(_FIGURES, _mandarin_figures)
    else:
        number = _number_reader(language)
        traced.substitute(_PREFIXED, lambda match: f"{match[2]}{match[1]}")
        traced.substitute(
            _CLOCK, lambda match: f"{int(match[1])} {int(match[2])}" if int(match[2]) else f"{int(match[1])}"
        )
        if language == "fr":
            traced.substitute(_FRENCH_ORDINAL, lambda match: _FRENCH_ORDINALS[match.group()])
        traced.substitute(_NUMBER, number)
    signs = _SIGNS[language]
    traced.substitute(_pattern(language), lambda match: signs[match.group()])
    return traced


@cache
def _pattern(language: str) -> re.Pattern[str]:
    return re.compile("[" + re.escape("".join(_SIGNS[language])) + "]")


@cache
def _number_reader(language: str) -> Callable[[re.Match[str]], str | None]:
    """Numbers of a Romance language in words, after CLDR's rules."""
    from unicode_rbnf import RbnfEngine

    engine: Any = RbnfEngine.for_language(language)

    def read(match: re.Match[str]) -> str | None:
        written = re.sub(r"[\u00a0\u202f]", "", match.group()).replace("−", "-")
        digits = re.sub(r"\D", "", written)
        if len(digits) > _LONGEST or (digits[0] == "0" and len(digits) > 1 and written[1:2] not in ".,"):
            return " ".join(engine.format_number(int(digit)).text for digit in digits)
        whole, point, rest = written, "", ""
        if not _GROUPED.fullmatch(written.lstrip("-")):
            cut = max(written.rfind(","), written.rfind("."))
            whole, point, rest = (written[:cut], ",", written[cut + 1 :]) if cut > 0 else (written, "", "")
        said = engine.format_number(int(re.sub(r"[.,]", "", whole))).text
        if point and rest:
            comma = {"es": "coma", "fr": "virgule", "it": "virgola", "pt": "vírgula"}[language]
            parts = [rest] if rest[0] != "0" and len(rest) < 3 else list(rest)
            said += f" {comma} " + " ".join(engine.format_number(int(part)).text for part in parts)
        return str(said).replace("\xad", "")

    return read


def _mandarin_figures(match: re.Match[str]) -> str | None:
    import cn2an

    written = match.group().replace("％", "%").replace("￥", "¥")
    tail = written[len(written.rstrip(".,:/-")) :]
    written = written.rstrip(".,:/-")
    money = {"¥": "元", "$": "美元"}.get(written[:1], "")
    written = written.lstrip("¥$").replace(",", "")
    if ":" in written:
        hour, minute, *_ = written.split(":")
        said = f"{cn2an.an2cn(hour)}点" + (f"{cn2an.an2cn(minute)}分" if int(minute) else "整")
        return said + tail
    if written.isdigit() and (
        len(written) > _LONGEST or (written[0] == "0" and len(written) > 1) or len(written) == 11
    ):
        return "".join("零一二三四五六七八九"[int(digit)] for digit in written) + tail
    return str(cn2an.transform(written, "an2cn")) + money + tail
