"""Sounds that a text asks for and no voice here makes: [laughs], (sighs), *coughs*, <chuckle>, [clears throat].

Language models and scripts write them; the words are not meant to be read aloud. Ordinary brackets, emphasis and links
are
left alone: every word of a cue must be a sound or say how it is made.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["CUE", "CUE_BEGINS", "CUE_HINT", "CUE_LIMIT", "goes_on", "is_cue", "silence_of"]

CUE_LIMIT: Final = 40  # characters between the brackets

# Verbs of the voice as they are written in cues: "laughs", "laughing", "laugh".
_VERBS: Final = (
    "laugh chuckle giggle snicker snigger cackle sigh cough sneeze sniff sniffle snort gasp groan moan grunt yawn gulp "
    "sob whimper wheeze whistle scoff hiccup burp shudder exhale inhale"
).split()
_IRREGULAR: Final = {
    "cry": ("cries", "crying"), "hum": ("hums", "humming"), "sob": ("sobs", "sobbing"), "sing": ("sings", "singing"),
    "clear": ("clears", "clearing"), "breathe": ("breathes", "breathing"), "swallow": ("swallows", "swallowing"),
    "whisper": ("whispers", "whispering"), "mumble": ("mumbles", "mumbling"), "mutter": ("mutters", "muttering"),
    "clap": ("claps", "clapping"), "scream": ("screams", "screaming"), "shout": ("shouts", "shouting"),
    "pause": ("pauses", "pausing"), "hiccup": ("hiccups", "hiccuping"), "shush": ("shushes", "shushing"),
}  # fmt: skip
# Written in square brackets or as a tag they are cues; in round brackets they may be an aside: "his hobby (music)".
_NOUNS: Final = frozenset(
    "laughter music applause silence cheering cheers beep static inaudible unintelligible crosstalk noise breath "
    "gunshot explosion footsteps pause beat".split()
)
_MOODS: Final = frozenset(
    "excited excitedly sarcastic sarcastically curious curiously mischievous mischievously happy happily sad sadly "
    "angry angrily nervous nervously surprised thoughtful thoughtfully amused annoyed cheerful cheerfully serious "
    "seriously warmly softly quietly calm calmly hesitant hesitantly dramatic dramatically deadpan whisper "
    "whispered".split()
)
_HOW: Final = frozenset(
    "a an the of in with and to at out bit little long short deep deeply soft softly light lightly loud loudly quiet "
    "quietly nervous nervously awkward awkwardly heavy heavily slight slightly gentle gently dry dryly slow slowly "
    "quick quickly sharp sharply wry wryly sad sadly happy happily warm warmly dark darkly evil small big hard harder "
    "again still starts begins continues takes lets gives throat breath nose voice himself herself themselves myself "
    "itself relief frustration disbelief under his her their my audience crowd dramatic dramatically hysterically "
    "uncontrollably knowingly sheepishly wearily tiredly contentedly".split()
)
_PAUSES: Final = {"pause": 0.4, "pauses": 0.4, "pausing": 0.4, "beat": 0.3, "silence": 0.7}
_LONG, _SHORT = 2.0, 0.5  # factors of a "long pause" and of a "short" one

_FINITE: Final = frozenset([f"{verb}s" for verb in _VERBS] + [forms[0] for forms in _IRREGULAR.values()])
_GERUNDS: Final = frozenset(
    [f"{verb.removesuffix('e')}ing" for verb in _VERBS if verb not in ("hiccup", "sob")]
    + [forms[1] for forms in _IRREGULAR.values()]
)
_BARE: Final = frozenset(_VERBS)
# In round brackets and asterisks an ordinary word is likelier: what may be a symptom or a pastime is read.
_ASIDE: Final = (
    _FINITE | _BARE | frozenset("laughing chuckling giggling sighing gasping groaning sobbing laughter".split())
)
_ANYWHERE: Final = _FINITE | _GERUNDS | _BARE | _NOUNS | frozenset(_IRREGULAR)
_STARTS: Final = frozenset(
    "takes lets starts begins gives still deep soft light nervous long short slow quick heavy small big".split()
)
# Before an asterisk these say that the word in it belongs to the sentence: "he *laughs* at it".
_GOVERNS: Final = frozenset(
    "i he she it they we you who that which one everyone everybody nobody someone somebody the a an his her my your "
    "their our its this these those never always often also just only still really and or but of to with for from in "
    "on at by as than not always sometimes usually can will may must should could would do does did".split()
)
_CALLS: Final = frozenset(
    "well oh ah uh um hmm hm yes yeah no nope okay ok so hey hi hello right sure sorry wow aw aww ha haha".split()
)

_INNER: Final = rf"[a-z][a-z' -]{{1,{CUE_LIMIT - 2}}}"
CUE: Final = (
    rf"\[{_INNER}\](?![(\[:])|\({_INNER}\)|(?<![*\w])\*{_INNER}\*(?![*\w])"
    rf"|(?<![_\w])_{_INNER}_(?![_\w])|</?{_INNER}\s?/?>"
)
_FIRST: Final = "|".join(sorted(_ASIDE | _STARTS | {"clears"}))
# What may begin a cue of several words and is held back until its end is seen.
CUE_BEGINS: Final = rf"[(*_](?=(?:{_FIRST})(?![a-z']))"
CUE_HINT: Final = re.compile(CUE_BEGINS, re.I)
_WORDS: Final = re.compile(r"[a-z']+")


def goes_on(begun: str) -> bool:
    """Whether more text can still make a cue of "takes a deep b", the text behind an opening bracket."""
    *whole, _ = begun.lower().split(" ")
    return all(word in _ANYWHERE or word in _HOW for word in whole)


def is_cue(mark: str, before: str) -> bool:
    """Whether the words inside the brackets of `mark` are a sound and not part of a sentence.

    before: the visible text in front of it, a word at least; "" at the beginning of a paragraph.
    """
    words = _WORDS.findall(mark.lower())
    opens = not before or before[-1] in ".!?,;:…—-\"'”)"
    if mark[0] == "[" and opens and words and all(word in _MOODS for word in words):
        return True
    sounds = _ANYWHERE if mark[0] in "[<" else _ASIDE
    if len(words) > 1:  # "(long pause)", "*takes a deep breath*": the words beside it say that it is one
        sounds = sounds | {"breath", "pause", "clears", "whispers"}
    if not any(word in sounds for word in words) or not all(word in sounds or word in _HOW for word in words):
        return False
    if len(words) == 1 and words[0].startswith("clear"):
        return False
    if mark[0] not in "*_" or opens:
        return True
    last = re.split(r"\s", before)[-1]
    return last.lower() in _CALLS or (last.islower() and last not in _GOVERNS)


def silence_of(mark: str) -> float:
    """Seconds of the pause that a cue asks for ("(long pause)"); 0 when it asks for another sound."""
    words = _WORDS.findall(mark.lower())
    pause_s = max((_PAUSES.get(word, 0.0) for word in words), default=0.0)
    return pause_s * (_LONG if "long" in words else _SHORT if "short" in words else 1.0)
