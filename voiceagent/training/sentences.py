"""The text that the teachers read: files of sentences, plus templates for what files are short of.

One sentence or turn a line, gzip. Templates add what chatbots say and books do not: numbers, times, prices, lists, answers
of one to three words, and sentences of up to twenty seconds.
"""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

Split = Literal["train", "dev", "test"]

_SHORT = (
    (
        "Yes. No. Sure. Of course. Okay. Right. Exactly. Thanks. Thank you. Good morning. Good night. Hello. Hi there. Not yet. "
        "Maybe. I see. Go on. One moment. All done. Here you go. My pleasure. No problem. Sounds good. Got it. Well. Hmm. Sorry. "
        "Welcome back."
    )
    .replace(". ", ".|")
    .split("|")
)
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = "January February March April May June July August September October November December".split()
_THINGS = (
    "apples bread milk eggs coffee tea sugar rice lemons garlic onions olive-oil pasta cheese butter yogurt spinach tomatoes "
    "towels batteries candles paper pencils envelopes stamps soap shampoo gloves socks"
).split()
_TASKS = (
    "water the plants|call the dentist|send the report|book a table|renew the passport|pick up the parcel|charge the phone|"
    "change the filter|pay the rent|check the oven|turn off the lights|close the garage door|lock the front door"
).split("|")
_ROOMS = "kitchen bedroom hallway bathroom garage office attic basement garden nursery".split()


def template(rng: random.Random) -> str:
    """One made-up sentence."""

    def number() -> str:
        return str(rng.choice([rng.randint(2, 99), rng.randint(100, 9999), rng.randint(10_000, 2_000_000)]))

    def clock() -> str:
        return f"{rng.randint(1, 12)}:{rng.randint(0, 59):02d} {rng.choice(['am', 'pm'])}"

    def things(count: int) -> str:
        return ", ".join(rng.sample(_THINGS, count)).replace("-", " ")

    kinds: list[Callable[[], str]] = [
        lambda: rng.choice(_SHORT),
        lambda: f"The {rng.choice(_ROOMS)} is {rng.randint(14, 31)} degrees.",
        lambda: f"I set a timer for {rng.randint(2, 59)} minutes.",
        lambda: f"Your meeting is on {rng.choice(_DAYS)}, {rng.choice(_MONTHS)} {rng.randint(1, 28)}, at {clock()}.",
        lambda: (
            f"It costs ${rng.randint(1, 400)}.{rng.randint(0, 99):02d}, which is {rng.randint(2, 60)}% less than before."
        ),
        lambda: f"You need {things(rng.randint(3, 8))}, and {rng.choice(_THINGS).replace('-', ' ')}.",
        lambda: f"First, {rng.choice(_TASKS)}. Second, {rng.choice(_TASKS)}. Third, {rng.choice(_TASKS)}.",
        lambda: f"The answer is {number()}.",
        lambda: f"In {rng.randint(1600, 2030)} there were {number()} people; by {rng.randint(1900, 2040)}, {number()}.",
        lambda: (
            f"Don't forget to {rng.choice(_TASKS)} before {clock()}, {rng.choice(['please', 'okay', 'if you can'])}."
        ),
        lambda: f"{rng.choice(_SHORT)[:-1]}, I will {rng.choice(_TASKS)} and then {rng.choice(_TASKS)}.",
        lambda: (
            f"If you {rng.choice(_TASKS)} before {clock()}, and {rng.choice(_TASKS)} after that, then you will still have time to "
            f"{rng.choice(_TASKS)}, to {rng.choice(_TASKS)}, and, unless it rains on {rng.choice(_DAYS)}, to {rng.choice(_TASKS)} "
            f"with the {rng.choice(_THINGS).replace('-', ' ')} and the {rng.choice(_THINGS).replace('-', ' ')} you bought."
        ),
    ]
    return rng.choice(kinds)()


def language_of(file: Path) -> str:
    """The language of a file of sentences: `zh_prompts.txt.gz` is Mandarin, a name without such a prefix English."""
    prefix, underscore, _ = file.name.partition("_")
    return prefix if underscore and len(prefix) == 2 else "en"


def read_lines(folder: Path, language: str = "en") -> Iterator[str]:
    """Every line of every `*.txt.gz` of a language in the folder, in a fixed order."""
    files = [file for file in sorted(folder.glob("*.txt.gz")) if language_of(file) == language]
    if not files:
        raise FileNotFoundError(
            f"no *.txt.gz files of sentences ({language}) in {folder}: give a folder of such files with --text"
        )
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from (line.strip() for line in lines if line.strip())


def split_of(text: str) -> Split:
    """Train, dev or test, by hash: 1% each for dev and test."""
    percent = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 100
    return "dev" if percent == 0 else "test" if percent == 1 else "train"


def sentences(folder: Path | None, *, templates: int | None = None, seed: int = 0) -> list[str]:
    """All text to be spoken, shuffled once and for all; without a folder, templates alone."""
    rng = random.Random(seed)
    written = () if folder is None else read_lines(folder)
    made = templates if templates is not None else 20_000 if folder else 120_000
    texts = list(dict.fromkeys([*written, *(template(rng) for _ in range(made))]))
    rng.shuffle(texts)
    return texts
