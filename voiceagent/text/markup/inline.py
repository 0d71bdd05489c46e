"""What is visible of a run of raw text: inline markdown, HTML, entities, emoji, formulas, other scripts."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from typing import Final

from voiceagent.text.limits import SpeechPolicy
from voiceagent.text.markup.items import Piece
from voiceagent.text.markup.latex import speak_math
from voiceagent.text.markup.signs import FOLDED, SYMBOLS, note_end, separated
from voiceagent.text.markup.ssml import speak_tag

__all__ = ["clean"]

_ADDRESS: Final = (
    r"(?P<url>(?:https?://|www\.)[^\s<>\"'`|*]+[^\s<>\"'`|*.,;:!?)\]])"
    r"|(?P<mail>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9.-]{1,63}[A-Za-z])"
)
_WORDS: Final = r"(?P<words>[A-Za-zÀ-ſ0-9 ,.;:?'\"()/@%+-]+)"
_MARKUP: Final = (
    r"(?P<other>[^\x00-\x7f【]+|[\]{}>|^]+)|(?P<stars>\*+)|(?P<lines>_+)"
    r"|(?P<math>\$\$(?P<block>.+?)\$\$|\\\[(?P<display>.+?)\\\]|(?<!\w)\$(?P<tex>[^$\s](?:[^$]*[^$\s])?)\$(?!\d)|\\\((?P<paren>.+?)\\\))"
    r"|(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<spoken><(?P<tag>sub|phoneme|say-as)\b(?P<attributes>[^>]*)>(?P<content>[^<]*)</(?P=tag)\s*>)"
    r"|(?P<auto><(?:https?://|mailto:)?[^\s<>]*[@.:][^\s<>]*>)"
    r"|(?P<html></?[A-Za-z][^<>]*>|<\|[^|<>]*\|>|<[!?][^<>]*>)"
    r"|(?P<link>!?\[(?P<label>[^\[\]]*)\]\((?P<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s[^)]*)?)\))"
    r"|(?P<wiki>\[\[(?P<page>[^\[\]]*)\]\])"
    r"|(?P<note>\[\^[^\]]*\]|\[\d{1,3}(?:\s?[,–-]\s?\d{1,3})*\]|【[^】]*】)"
    r"|(?P<reference>!?\[(?P<shown>[^\[\]]+)\]\[[^\[\]]*\])"
    r"|(?P<code>(?P<ticks>`+)(?P<inner>.+?)(?P=ticks)(?!`))"
    r"|(?P<entity>&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});)"
    r"|(?P<strike>~~+|(?<!\w)==(?=\w)|(?<=\w)==(?!\w))|(?P<ticked>`+)"
    r"|(?P<hash>(?<![\w&])#(?=[A-Za-z]))"
    r"|(?P<plain>[A-Za-z0-9 ,.;:!?'\"()/@%&+$-]+)"
    r"|(?P<sign>.)"
)
_TOKEN: Final = re.compile(f"{_WORDS}|{_MARKUP}", re.S)
_LINKED_TOKEN: Final = re.compile(f"{_ADDRESS}|{_MARKUP}", re.S)  # where there may be an address among the words
_LINKED: Final = re.compile(r"@|://|www\.")
_LABELS: Final = {"link": "label", "reference": "shown", "wiki": "page"}
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
_CODE: Final = re.compile(
    r"===?|!==?|[<>=]=|\*\*|&&|\|\||->|=>|!(?=[A-Za-z(])|(?:[A-Za-z0-9.+#@/:%$]|-(?!>))+|[^A-Za-z0-9]"
)
_OPERATORS: Final = {
    "==": "=", "===": "=", "!=": "≠", "!==": "≠", "<=": "≤", ">=": "≥", "**": "^", "&&": " and ", "||": " or ",
    "!": " not ",
    "*": "×", "->": "→", "=>": "→",
}  # fmt: skip
_SIGNS: Final = {
    ".": "dot", "/": "slash", "?": "question mark", "=": "equals", "&": "and", "-": "dash", "_": "underscore",
    "#": "hash",
    ":": "colon", "%": "percent", "@": "at", "+": "plus", "~": "tilde", ",": "comma", ";": "semicolon",
    "!": "exclamation mark",
}  # fmt: skip
_HALF: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HALVES: Final = re.compile(rf"{_HALF.pattern}|.", re.S)
_TICKED_LIMIT: Final = 60


class _Sink:
    """Collects pieces, the scripts that had to be skipped and the notes that were."""

    def __init__(self, policy: SpeechPolicy) -> None:
        self.policy = policy
        self.pieces: list[Piece] = []
        self.skipped = ""
        self.note = ""

    def add(self, text: str, start: int, end: int, phonemes: str = "") -> None:
        if text:
            self.pieces.append(Piece(text, start, end, phonemes))


def clean(raw: str, start: int, policy: SpeechPolicy) -> tuple[tuple[Piece, ...], str]:
    """The visible pieces of `raw`, which stands at offset `start` of the utterance, and a warning or ""."""
    sink = _Sink(policy)
    _clean_into(sink, raw, start)
    pieces, sign = separated(sink.pieces, raw, start)
    warnings = (
        f"text in {sink.skipped} script was skipped" if sink.skipped else "",
        f"the mark of a note was not read: {sink.note}" if sink.note else "",
        f"a sign between figures was read as a pause: {sign}" if sign else "",
    )
    return tuple(pieces), "; ".join(filter(None, warnings))


def _clean_into(sink: _Sink, raw: str, start: int) -> None:
    for match in (_LINKED_TOKEN if _LINKED.search(raw) else _TOKEN).finditer(raw):
        kind, text, at = match.lastgroup, match.group(), start + match.start()
        if kind == "words" or kind == "plain" or kind == "mail":
            sink.add(text, at, at + len(text))
        elif kind == "other":
            _add_other(sink, raw, match, at)
        elif kind == "sign":
            _add_characters(sink, text, at)
        elif kind == "stars" or kind == "lines":
            _add_emphasis(sink, raw, match, at, at + len(text))
        elif kind == "hash":
            sink.add("#" if sink.policy.hashtag == "speak" else "", at, at + 1)
        elif kind == "escape":
            sink.add(text[1], at, at + 2)
        elif kind == "note":
            if sink.policy.footnotes == "speak":
                sink.add(" " + text.strip("[]^【】"), at, at + len(text))
        elif kind not in ("strike", "ticked", "html"):
            _add_construct(sink, match, at, at + len(text))


def _add_other(sink: _Sink, raw: str, match: re.Match[str], at: int) -> None:
    """Characters beyond plain ASCII; raised figures at their begin may be the mark of a note."""
    text = match.group()
    end = note_end(raw, match.start()) - match.start()
    if end > 0 and sink.policy.footnotes == "skip":
        sink.note = sink.note or text[:end]
        if raw[match.start() - 1] in ".!?" and raw[match.start() + end : match.start() + end + 1].isalnum():
            sink.add(" ", at, at + end)  # "in 1918.⁴The next"
        text, at = text[end:], at + end
    _add_characters(sink, text, at)


def _add_emphasis(sink: _Sink, raw: str, match: re.Match[str], at: int, end: int) -> None:
    """Emphasis marks are silent; an asterisk between numbers or alone is a sign, an underscore inside a word a
    space.
    """
    before, after = raw[match.start() - 1 : match.start()] or " ", raw[match.end() : match.end() + 1] or " "
    if match["lines"] is not None:
        if before.isalnum() and after.isalnum() and not (before.isdigit() and after.isdigit()):
            sink.add(" ", at, end)
    elif len(match["stars"]) == 1 and (
        (before.isdigit() and after.isdigit()) or (before.isspace() and after.isspace())
    ):
        sink.add("×", at, end)
    elif len(match["stars"]) == 1 and not before.isalnum() and (after.isdigit() or after in "#.,;!?"):
        sink.add("*", at, end)  # *67 on a telephone; elsewhere it is silent after all


def _add_construct(sink: _Sink, match: re.Match[str], at: int, end: int) -> None:
    """Links, code, formulas, entities, tags with content."""
    policy, kind = sink.policy, match.lastgroup
    if kind == "spoken":
        said, phonemes = speak_tag(match["tag"], match["attributes"], html.unescape(match["content"]))
        sink.add(said, at, end, phonemes)
    elif kind in _LABELS:
        if not (match.group().startswith("!") and policy.image == "skip"):
            label = _LABELS[kind]
            _clean_into(sink, match[label], at - match.start() + match.start(label))
    elif kind == "auto" or kind == "url":
        if policy.url != "skip":
            shown = match.group().strip("<>").removeprefix("mailto:")
            first = at + match.group().find(shown)
            sink.add(_spelled(shown) if policy.url == "full" else shown, first, first + len(shown))
    elif kind == "code":
        if policy.inline_code == "speak" and len(match["inner"]) <= _TICKED_LIMIT:
            _add_code(sink, match["inner"], at - match.start() + match.start("inner"))
    elif kind == "math":
        if policy.inline_math == "speak" or match["block"] or match["display"]:
            sink.add(speak_math(next(match[g] for g in ("block", "display", "tex", "paren") if match[g])), at, end)
    elif kind == "entity":
        text = html.unescape(match.group())
        if text == match.group():  # no entity ("R&D;"), or one that nobody defined
            sink.add("" if text[1:2].islower() else match.group(), at, end)
        else:
            inner_sink = _Sink(policy)
            _add_characters(inner_sink, text[:2], 0)
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
        if text in _OPERATORS:
            sink.add(_OPERATORS[text], base + match.start(), base + match.end())
        elif text[0] in "_(){}[]\"'`;,\\| ":
            sink.add(" ", base + match.start(), base + match.end())
        elif len(text) > 1 or text.isascii():
            sink.add(text, base + match.start(), base + match.end())
        else:
            _add_characters(sink, text, base + match.start())


def _add_characters(sink: _Sink, text: str, at: int) -> None:
    """Characters beyond plain ASCII. One that came in two halves, as JSON may bring them, is the one it was meant to
    be.
    """
    for character in _HALVES.findall(text) if _HALF.search(text) else text:
        end = at + len(character)
        if end > at + 1:
            character = character.encode("utf-16", "surrogatepass").decode("utf-16")
        shown = _character(character)
        if shown is None:
            sink.skipped = sink.skipped or _script(character)
        elif shown == "\0":
            if sink.policy.emoji == "name":
                sink.add(_emoji_name(character), at, end)
        elif shown:
            sink.add(shown, at, end)
        at = end


@lru_cache(maxsize=4096)
def _character(character: str) -> str | None:
    """What is visible of a character: "" nothing, a NUL an emoji, None a letter of a script that is not spoken."""
    folded = FOLDED.get(character)
    if folded is not None:
        return folded
    if character.isspace():
        return " "
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in SYMBOLS or (character.isascii() and character.isprintable()):
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
    name = unicodedata.name(character, "an unknown").split(" ")[0].split("-")[0]
    return name if name == "CJK" else name.capitalize()


def _emoji_name(character: str) -> str:
    import emoji  # a large table: only for those who want names

    name = emoji.demojize(character, delimiters=("", ""))
    return "" if name == character else " " + name.replace("_", " ").replace("-", " ") + " "
