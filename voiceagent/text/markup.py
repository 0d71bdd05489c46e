"""What is visible of a run of raw text: inline markdown, HTML, entities, emoji, formulas, other scripts."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from typing import Final

from voiceagent.text.items import Piece
from voiceagent.text.latex import speak_math
from voiceagent.text.policy import SpeechPolicy
from voiceagent.text.ssml import speak_tag

__all__ = ["clean"]

_TOKEN: Final = re.compile(
    r"(?P<math>\$\$(?P<block>.+?)\$\$|\\\[(?P<display>.+?)\\\]|\$(?P<tex>[^$\s](?:[^$]*[^$\s])?)\$(?!\d)|\\\((?P<paren>.+?)\\\))"
    r"|(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<spoken><(?P<tag>sub|phoneme|say-as)\b(?P<attributes>[^>]*)>(?P<content>[^<]*)</(?P=tag)\s*>)"
    r"|(?P<auto><(?:https?://|mailto:)?[^\s<>]*[@.:][^\s<>]*>)"
    r"|(?P<html></?[A-Za-z][^<>]*>|<\|[^|<>]*\|>|<[!?][^<>]*>)"
    r"|(?P<url>(?:https?://|www\.)[^\s<>\"'`|*]+[^\s<>\"'`|*.,;:!?)\]])"
    r"|(?P<mail>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9.-]{1,63}[A-Za-z])"
    r"|(?P<link>!?\[(?P<label>[^\[\]]*)\]\((?P<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s[^)]*)?)\))"
    r"|(?P<wiki>\[\[(?P<page>[^\[\]]*)\]\])"
    r"|(?P<note>\[\^[^\]]*\]|\[\d{1,3}(?:\s?[,–-]\s?\d{1,3})*\]|【[^】]*】)"
    r"|(?P<reference>!?\[(?P<shown>[^\[\]]+)\]\[[^\[\]]*\])"
    r"|(?P<code>(?P<ticks>`+)(?P<inner>.+?)(?P=ticks)(?!`))"
    r"|(?P<entity>&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});)"
    r"|(?P<stars>\*+)|(?P<lines>_+)|(?P<strike>~~+|(?<!\w)==(?=\w)|(?<=\w)==(?!\w))|(?P<ticked>`+)"
    r"|(?P<hash>(?<![\w&])#(?=[A-Za-z]))"
    r"|(?P<plain>[A-Za-z0-9 ,.;:!?'\"()/@%&+$-]+)"
    r"|(?P<other>[^\x00-\x7f【]+|.)",
    re.S,
)
_SPACES: Final = re.compile(r"\s+")
# Typed or printed in many ways, spoken in one. (The voices know “ and ” but their training text hardly has them.)
_FOLDED: Final = {
    "‘": "'", "’": "'", "‛": "'", "`": "'", "´": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "‒": "-", "―": "—", "−": "-", "⁃": "-", "º": "°", "˚": "°", "′": "'", "″": '"', "／": "/",
    "…": "…", "—": "—", "–": "–", "\u00a0": " ",
    "\u202f": " ", "\u2009": " ", "。": ".", "，": ",", "、": ",", "！": "!", "？": "?", "：": ":", "；": ";",
}  # fmt: skip
# Symbols that normalisation reads aloud; every other symbol is decoration.
_SYMBOLS: Final = frozenset("§©®™°±×÷≈≠≤≥<>∞√∑π→←↔∈⇒≡∝∪∩⊂^~{}[]\\|¢£¤¥€₹₩₽₺₴₦₫₱฿₪₿½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞µΩ¹²³⁰⁴⁵⁶⁷⁸⁹⁻⁺№‰∆∂")
_GREEK: Final = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau "
        "upsilon phi chi psi omega".split(),
        strict=True,
    )
)
_MARKS: Final = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+"
)
_CODE: Final = re.compile(r"[A-Za-z0-9.+#@/:=<>%$&*-]+|[^A-Za-z0-9]")
_SIGNS: Final = {
    ".": "dot", "/": "slash", "?": "question mark", "=": "equals", "&": "and", "-": "dash", "_": "underscore", "#": "hash",
    ":": "colon", "%": "percent", "@": "at", "+": "plus", "~": "tilde", ",": "comma", ";": "semicolon", "!": "exclamation mark",
}  # fmt: skip
_TICKED_LIMIT: Final = 60


class _Sink:
    """Collects pieces and the scripts that had to be skipped."""

    def __init__(self, policy: SpeechPolicy) -> None:
        self.policy = policy
        self.pieces: list[Piece] = []
        self.skipped = ""

    def add(self, text: str, start: int, end: int, phonemes: str = "") -> None:
        if text:
            self.pieces.append(Piece(text, start, end, phonemes))


def clean(raw: str, start: int, policy: SpeechPolicy) -> tuple[tuple[Piece, ...], str]:
    """The visible pieces of `raw`, which stands at offset `start` of the utterance, and a warning or ""."""
    sink = _Sink(policy)
    _clean_into(sink, raw, start)
    warning = f"text in {sink.skipped} script was skipped" if sink.skipped else ""
    return tuple(sink.pieces), warning


def _clean_into(sink: _Sink, raw: str, start: int) -> None:
    for match in _TOKEN.finditer(raw):
        text, at, end = match.group(), start + match.start(), start + match.end()
        if match["plain"] is not None or match["mail"] is not None:
            sink.add(text, at, end)
        elif match["other"] is not None:
            for offset, character in enumerate(text):
                _add_character(sink, character, at + offset)
        elif match["hash"] is not None:
            sink.add("#" if sink.policy.hashtag == "speak" else "", at, end)
        elif match["escape"] is not None:
            sink.add(text[1], at, end)
        elif match["stars"] is not None or match["lines"] is not None:
            _add_emphasis(sink, raw, match, at, end)
        elif match["strike"] is not None or match["ticked"] is not None or match["html"] is not None:
            pass
        elif match["note"] is not None:
            if sink.policy.footnotes == "speak":
                sink.add(" " + text.strip("[]^【】"), at, end)
        else:
            _add_construct(sink, match, at, end)


def _add_emphasis(sink: _Sink, raw: str, match: re.Match[str], at: int, end: int) -> None:
    """Emphasis marks are silent; an asterisk between numbers or alone is a sign, an underscore inside a word a space."""
    before = raw[match.start() - 1] if match.start() else " "
    after = raw[match.end()] if match.end() < len(raw) else " "
    if match["lines"] is not None:
        if before.isalnum() and after.isalnum() and not (before.isdigit() and after.isdigit()):
            sink.add(" ", at, end)
    elif len(match["stars"]) == 1 and (
        (before.isdigit() and after.isdigit()) or (before.isspace() and after.isspace())
    ):
        sink.add("×", at, end)


def _add_construct(sink: _Sink, match: re.Match[str], at: int, end: int) -> None:
    """Links, code, formulas, entities, tags with content."""
    policy = sink.policy
    if match["spoken"] is not None:
        said, phonemes = speak_tag(match["tag"], match["attributes"], html.unescape(match["content"]))
        sink.add(said, at, end, phonemes)
    elif match["link"] is not None or match["reference"] is not None or match["wiki"] is not None:
        label = "label" if match["link"] is not None else "shown" if match["reference"] is not None else "page"
        if not (match.group().startswith("!") and policy.image == "skip"):
            _clean_into(sink, match[label], at - match.start() + match.start(label))
    elif match["auto"] is not None or match["url"] is not None:
        if policy.url != "skip":
            shown = match.group().strip("<>").removeprefix("mailto:")
            first = at + match.group().find(shown)
            sink.add(_spelled(shown) if policy.url == "full" else shown, first, first + len(shown))
    elif match["code"] is not None:
        if policy.inline_code == "speak":
            inner = match["inner"]
            base = at - match.start() + match.start("inner")
            if len(inner) <= _TICKED_LIMIT:
                _add_code(sink, inner, base)
    elif match["math"] is not None:
        if policy.inline_math == "speak" or match["block"] or match["display"]:
            sink.add(speak_math(next(match[g] for g in ("block", "display", "tex", "paren") if match[g])), at, end)
    elif match["entity"] is not None:
        text = html.unescape(match.group())
        if text == match.group():  # no entity ("R&D;"), or one that nobody defined
            sink.add("" if text[1:2].islower() else match.group(), at, end)
        else:
            inner_sink = _Sink(policy)
            for character in text[:2]:
                _add_character(inner_sink, character, 0)
            sink.add("".join(piece.text for piece in inner_sink.pieces), at, end)
            sink.skipped = sink.skipped or inner_sink.skipped


def _spelled(url: str) -> str:
    """Every sign of an address by its name."""
    bare = re.sub(r"^\w+://", "", url).rstrip("/")
    return " ".join("".join(f" {_SIGNS[c]} " if c in _SIGNS else c for c in bare).split())


def _add_code(sink: _Sink, inner: str, base: int) -> None:
    """The words of inline code: `max_len` is "max len"; brackets and quotes are silent."""
    for match in _CODE.finditer(inner):
        text = match.group()
        if text[0] in "_(){}[]\"'`;,\\| ":
            sink.add(" ", base + match.start(), base + match.end())
        elif len(text) > 1 or text.isascii():
            sink.add(text.replace("*", "×"), base + match.start(), base + match.end())
        else:
            _add_character(sink, text, base + match.start())


def _add_character(sink: _Sink, character: str, at: int) -> None:
    """One character beyond plain ASCII."""
    text = _character(character)
    if text is None:
        sink.skipped = sink.skipped or _script(character)
        text = ""
    elif text == "\0":
        text = _emoji_name(character) if sink.policy.emoji == "name" else ""
    sink.add(text, at, at + 1)


@lru_cache(maxsize=4096)
def _character(character: str) -> str | None:
    """What is visible of a character: "" nothing, a NUL an emoji, None a letter of a script that is not spoken."""
    folded = _FOLDED.get(character)
    if folded is not None:
        return folded
    if character.isspace():
        return " "
    if character in _SYMBOLS or (character.isascii() and character.isprintable()):
        return character
    category = unicodedata.category(character)
    if category[0] in "CZ" or category[0] == "M":
        return ""
    if character.lower() in _GREEK:
        return f" {_GREEK[character.lower()]} "
    # Latin letters with marks, letters and digits in other shapes (fullwidth, circled), as the letters they stand for.
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", character))
    if category[0] == "L" and "\u00c0" <= character <= "\u017f":
        return character  # letters of European languages: the phonemizer knows names and loan words
    if plain and plain.isascii() and category[0] in "LNPS":
        return plain if category[0] != "S" else "\0"
    if category[0] == "L" or category[0] == "N":
        return None
    return "\0" if category == "So" else ""


def _script(character: str) -> str:
    """The script of a letter, as Unicode names it ("Cyrillic")."""
    return unicodedata.name(character, "an unknown").split(" ")[0].split("-")[0].capitalize()


def _emoji_name(character: str) -> str:
    import emoji  # a large table: only for those who want names

    name = emoji.demojize(character, delimiters=("", ""))
    return "" if name == character else " " + name.replace("_", " ").replace("-", " ") + " "
