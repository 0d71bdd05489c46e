"""Speech of many voices for training: who reads which text is drawn once and for all, by language and number of the text.

A shard of a language is `speech/LANGUAGE/NNNN.npz` and `.jsonl`, as in training/corpus.py, a voice a line. Texts of
the test split are left out: they are for reports.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from voiceagent.errors import InputError
from voiceagent.options import parse_blend
from voiceagent.text.chunk import Chunk
from voiceagent.text.languages.registry import phonemizer_of
from voiceagent.training.corpus import SHARD_SUFFIX, SpokenLine, trim, write_shard
from voiceagent.training.sentences import read_lines, split_of, template
from voiceagent.training.speakers.teacher import Kokoro

TEXTS_A_SHARD = 50  # about four minutes of speech
TEMPLATES = 12_000
LONGEST_SYMBOLS = 380
# How often each voice reads, by the grade that the teacher's authors give it.
ENGLISH = {
    "af_heart": 3.0, "af_bella": 3.0, "af_nicole": 1.5, "af_aoede": 1.5, "af_sarah": 1.5, "af_alloy": 1.2, "af_nova": 1.2,
    "af_sky": 1.2, "af_jessica": 1.0, "af_river": 1.0, "am_fenrir": 1.5, "am_michael": 1.5, "am_puck": 1.5, "am_echo": 1.0,
    "am_eric": 1.0, "am_liam": 1.0, "am_santa": 0.7, "am_adam": 0.8, "bf_emma": 2.0, "bf_isabella": 1.2, "bf_alice": 1.0,
    "bm_george": 1.5, "bm_lewis": 1.0, "bm_daniel": 1.0,
}  # fmt: skip
MANDARIN = {
    "zf_xiaobei": 1.0, "zf_xiaoni": 1.0, "zf_xiaoxiao": 2.0, "zf_xiaoyi": 1.2, "zm_yunjian": 1.0, "zm_yunxi": 2.0,
    "zm_yunxia": 1.0, "zm_yunyang": 1.2,
}  # fmt: skip
ROMANCE = {
    "es": {"ef_dora": 2.0, "em_alex": 1.5, "em_santa": 0.5},
    "fr": {"ff_siwis": 1.0},
    "it": {"if_sara": 1.0, "im_nicola": 1.0},
    "pt": {"pf_dora": 1.0, "pm_alex": 1.0, "pm_santa": 0.5},
}
STOCK = {"en": ENGLISH, "zh": MANDARIN, **ROMANCE}
BLENDED = {"en": 0.25} | dict.fromkeys(("zh", *ROMANCE), 0.2)  # share of the texts that a blend reads
_FOREIGN = re.compile(r"[A-Za-zＡ-Ｚａ-ｚ□〔〕%％‰℃·/]")  # what the phonemes of Mandarin have no reading for


@dataclass(frozen=True, slots=True)
class Shard:
    """Texts of one language that are spoken together."""

    language: str
    number: int
    texts: tuple[tuple[int, str], ...]  # the number of each, and itself


def texts_of(language: str, folder: Path) -> list[str]:
    """All texts of a language in the order in which they are spoken; where they are few, each comes twice."""
    rng = random.Random(language)
    texts = list(read_lines(folder, language))
    if language == "en":
        texts += [template(rng) for _ in range(TEMPLATES)]
    elif language == "zh":
        texts = [text for text in texts if not _FOREIGN.search(text)]
    texts = [text for text in dict.fromkeys(texts) if split_of(text) != "test"]
    rng.shuffle(texts)
    if language != "en":
        texts += rng.sample(texts, len(texts))
    return texts


def draw_voice(language: str, rng: random.Random) -> str:
    """A stock voice of the language, or a blend that leans on one; voices of other languages may be in it."""
    stock = STOCK[language]
    lead = rng.choices(list(stock), list(stock.values()))[0]
    if rng.random() >= BLENDED[language]:
        return lead
    pool = (
        list(stock)
        if rng.random() < 0.8 and len(stock) > 2
        else sorted({name for voices in STOCK.values() for name in voices})
    )
    others = rng.sample([name for name in pool if name != lead], rng.choice((1, 1, 2)))
    weights = [rng.uniform(0.5, 1.5), *(rng.uniform(0.2, 1.2) for _ in others)]
    shares = [round(weight / sum(weights), 2) for weight in weights[1:]]
    parts = [(round(1 - sum(shares), 2), lead), *zip(shares, others, strict=True)]
    return " + ".join(f"{share}*{name}" for share, name in parts)


def shards(languages: Sequence[str], folder: Path) -> Iterator[Shard]:
    """The shards of all languages, in turn."""
    rows = []
    for language in languages:
        texts = list(enumerate(texts_of(language, folder)))
        cuts = range(0, len(texts), TEXTS_A_SHARD)
        rows.append([Shard(language, n, tuple(texts[at : at + TEXTS_A_SHARD])) for n, at in enumerate(cuts)])
    for turn in zip_longest(*rows):
        yield from (shard for shard in turn if shard is not None)


@cache
def _front_end(language: str, *, british: bool) -> Any:
    if language == "zh":
        try:
            import jieba
            from misaki.zh import ZHG2P
        except ImportError as error:
            raise InputError(f"Mandarin is not installed ({error}): docs/speakers.md says how") from error
        jieba.setLogLevel("ERROR")
        return ZHG2P()
    from hibari import Hibari
    from hibari.g2p import G2P

    return Hibari(g2p=G2P(british=british))


def phonemes_of(language: str, text: str, voice: str) -> list[str]:
    """Phoneme strings of a text, one a sentence; English as the voice's country says it."""
    if language == "zh":
        return [re.sub(r"\s+", " ", _front_end("zh", british=False)(text)[0]).strip()]
    if language in ROMANCE:
        chunk = Chunk(text, 0, text, "", True)
        return [" ".join(word.phonemes for word in phonemizer_of(language)(chunk).words)]
    shares = parse_blend(voice)
    lead = max(shares, key=lambda name: shares[name])
    return list(_front_end("en", british=lead.startswith("b")).phonemize(text))


def make_shard(teacher: Kokoro, out: Path, shard: Shard) -> float:
    """Speak a shard, whole or not at all; returns the seconds of speech."""

    def lines() -> Iterator[SpokenLine]:
        for number, text in shard.texts:
            rng = random.Random(f"{shard.language} {number}")
            voice = draw_voice(shard.language, rng)
            speed = round(rng.uniform(0.85, 1.2), 2) if rng.random() < 0.3 else 1.0
            for part, phonemes in enumerate(phonemes_of(shard.language, text, voice)):
                if 2 <= len(phonemes) <= LONGEST_SYMBOLS:
                    about = {"id": f"{shard.language}-{number:06d}-{part}", "voice": voice, "speed": speed}
                    yield text, trim(teacher(phonemes, voice, speed=speed)), about

    return write_shard(out / shard.language / f"{shard.number:04d}", lines())


def _speak_in_process(packs: Path, out: Path, shard: Shard) -> float:
    return make_shard(_teacher(packs), out, shard)


@cache
def _teacher(packs: Path) -> Kokoro:
    return Kokoro(packs)


def make_speakers_corpus(
    text: Path, packs: Path, out: Path, *, languages: Sequence[str], hours: float, processes: int
) -> None:
    """Speak until `hours` more of speech are there; shards that exist are kept."""
    from rich.progress import Progress

    missing = (s for s in shards(languages, text) if not (out / s.language / f"{s.number:04d}{SHARD_SUFFIX}").exists())
    with Progress() as progress, ProcessPoolExecutor(processes) as pool:
        task, spoken_s = progress.add_task("many voices speak", total=hours), 0.0
        while spoken_s < hours * 3600 and (turn := [s for _, s in zip(range(processes), missing, strict=False)]):
            for seconds in pool.map(_speak_in_process, [packs] * len(turn), [out] * len(turn), turn):
                spoken_s += seconds
            progress.update(task, completed=spoken_s / 3600)
