"""Characters beyond ASCII: those that are printed in many ways, those that are read, and what stands between two
figures.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from voiceagent.text.markup.items import Piece

__all__ = ["FOLDED", "SYMBOLS", "note_end", "separated"]

# Typed or printed in many ways, spoken in one. (The voices know “ and ” but their training text hardly has them.)
FOLDED: Final = {
    "‘": "'", "’": "'", "‛": "'", "`": "'", "´": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "‒": "-", "―": "—", "−": "-", "⁃": "-", "º": "°", "˚": "°", "′": "'", "″": '"', "／": "/",
    "…": "…", "—": "—", "–": "–", "\u00a0": " ",
    "\u202f": " ", "\u2009": " ", "。": ".", "，": ",", "、": ",", "！": "!", "？": "?", "：": ":", "；": ";",
    "⁄": "/", "∕": "/", "⧸": "/", "∶": ":", "꞉": ":", "〜": "~", "～": "~", "∼": "~", "⁓": "~", "⋅": "·", "∙": "·",
    "⟶": "→", "➔": "→", "➜": "→", "➙": "→", "➞": "→", "➝": "→", "➡": "→", "⇨": "→", "⮕": "→", "∗": "*",
    "⬇": "▼", "🔻": "▼", "🔽": "▼", "▾": "▼", "↘": "▼", "⬆": "▲", "🔺": "▲", "🔼": "▲", "▴": "▲", "↗": "▲",
    "℃": "°C", "℉": "°F", "﹣": "-", "－": "-", "＋": "+", "＄": "$", "￥": "¥", "￡": "£", "％": "%", "﹪": "%",
}  # fmt: skip
# Symbols that normalisation reads aloud; every other symbol is decoration.
SYMBOLS: Final = frozenset(
    "§©®™°±×÷≈≠≤≥<>∞√∑π→←↔∈⇒≡∝∪∩⊂^~{}[]\\|¢£¤¥€₹₩₽₺₴₦₫₱฿₪₿½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞µΩ¹²³⁰⁴⁵⁶⁷⁸⁹⁻⁺ⁿ№‰∆∂·▲▼↑↓"
)
_RAISED: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_NOTE: Final = re.compile(f"[{_RAISED}]{{1,3}}(?:[,⁻˒][{_RAISED}]{{1,3}})*")
_LAST_WORD: Final = re.compile(r"(?:^|[^A-Za-z])([A-Za-z]{3,}|\d{4})$")
# A figure raised behind these is a power.
_RAISED_TO: Final = frozenset(
    "sin cos tan cot sec log exp sinh cosh tanh inch inches feet foot meter meters metre metres mile miles yard yards "
    "min mol".split()
)
_GROUP: Final = re.compile(r"\d{3}(?!\d)")
_OPERATORS: Final = {"**": "^", "➕": "+", "➖": "-", "➗": "÷", "✖": "×", "✕": "×", "⨯": "×", "╳": "×"}
_JOINERS: Final = frozenset({"Cf", "Mn", "Me", "Mc", "Cc", "Sk"})


def note_end(text: str, start: int) -> int:
    """The end of the raised figures at `start` if they are the mark of a note, else `start`.

    They are one behind a mark of punctuation, behind a word, and behind a year, where no power of two or three stands.
    """
    match = _NOTE.match(text, start)
    if match is None or start == 0:
        return start
    before = text[start - 1]
    if before in ".!?,;:\"'”’…" and not text[max(start - 2, 0) : start - 1].isspace():
        return match.end()
    word = _LAST_WORD.search(text, max(start - 40, 0), start)
    if word is None:
        return start
    last = word[1]
    if last.isdigit():
        year = "1000" < last <= "2100" and not last.endswith("000")
        return match.end() if year and match.group() not in ("²", "³") else start
    longest = 3 if last[1:].islower() and last.lower() not in ("rad", "pixel") else 9
    return match.end() if len(last) > longest and last.lower() not in _RAISED_TO else start


def separated(pieces: list[Piece], text: str, start: int) -> tuple[list[Piece], str]:
    """The visible pieces of `text`, which stands at `start`, and the first sign that was read as a pause, or "".

    What was left out between two figures leaves a pause, so that 1★2 is not twelve; a sign between letters leaves a
    space.
    """
    parted: list[Piece] = []
    named = ""
    for piece in pieces:
        if parted and parted[-1].text[-1:].isalnum() and piece.text[:1].isalnum():
            last = parted[-1]
            gap = text[last.end - start : piece.start - start]
            between = _between(last, piece, gap, text, start)
            if between == ", " and not named:
                named = next((c for c in gap if unicodedata.category(c) not in _JOINERS), "")
            if between:
                parted.append(Piece(between, last.end, piece.start))
        parted.append(piece)
    return parted, named


def _between(last: Piece, piece: Piece, gap: str, text: str, start: int) -> str:
    """What stands for the characters between two pieces that have none of their own."""
    figures = last.text[-1].isdigit() and piece.text[0].isdigit()
    if not gap:  # (1) in a circle beside (2) in a circle
        sides = (last.text[-1], text[last.end - start - 1]), (piece.text[0], text[piece.start - start])
        return " " if figures and any(shown.isascii() and _is_enclosed(sign) for shown, sign in sides) else ""
    if not figures:
        return " " if _has_sign(gap) else ""
    if gap == "_" and _GROUP.match(piece.text):
        return ""  # 1_000_000
    return _OPERATORS.get(gap.strip("\ufe0f"), ", " if _has_sign(gap) else " ")


def _is_enclosed(character: str) -> bool:
    return unicodedata.category(character) == "No" and not "₀" <= character <= "₉"


def _has_sign(gap: Iterable[str]) -> bool:
    return any(not character.isascii() and unicodedata.category(character) not in _JOINERS for character in gap)
