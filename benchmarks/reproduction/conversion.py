"""Quality against training tokens: converted from the parent, from scratch, without label shift, and not trained at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from reproduction.decoding import Speaking, wholly
from reproduction.layouts import Layout, whole
from reproduction.results import Row, Table
from reproduction.stand import Stand
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.training.language_model import LanguageModelTraining
from voiceagent.training.prefix.autoregressive import Sampling
from voiceagent.training.prefix.train import PrefixTraining

RUNS = {
    "converted": "convert --offline",
    "scratch": "convert --offline --scratch",
    "unshifted": "convert --offline --no-shift",
}
OPTIONS = DecodingOptions(steps=16, tau=1.0, alpha=0.0)


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint of a run."""

    path: Path
    steps: int
    tokens_seen: int
    shift: bool


def checkpoints(run: Path, *, layout: str) -> list[Kept]:
    """The steps that a run kept, in order; the last step where the run went further."""
    paths = [*sorted(run.glob("step-*.pt")), *run.glob("last.pt")]
    found: dict[int, Kept] = {}
    for path in paths:
        saved = torch.load(path, map_location="cpu", weights_only=False, mmap=True)
        usual = LanguageModelTraining() if layout == "aligned" else PrefixTraining()
        how: dict[str, Any] = asdict(usual) | saved.get("training", {})
        if layout == "aligned":
            by_mask = {"offline": how["tokens"], "causal": how["tokens"], "streaming": how["streaming_tokens"]}
            a_step = how["batch"] * sum(by_mask[mask] for mask in how["masks"]) / len(how["masks"])
        else:
            a_step = how["tokens"]  # batches of whole sentences, padding included
        kept = Kept(path, saved["step"], round(saved["step"] * a_step), how["shift"])
        found.setdefault(kept.steps, kept)
    return [found[step] for step in sorted(found)]


def at_once(layout: Layout) -> Speaking:
    """The whole utterance by a model of its own."""
    return lambda canvas: whole(layout, canvas, OPTIONS)


def conversion(stand: Stand) -> Table:
    """Quality against training tokens, by what the training began with."""
    parent = stand.parent
    rows = [
        stand.speak("the parent itself, sampled as CosyVoice", lambda c: parent.generate(c, Sampling()), stand.plan),
        stand.speak("the parent's weights, bidirectional, not trained", at_once(parent), stand.plan),
    ]
    rows[1].figures.update(steps=0.0, tokens_seen=0.0)
    curves: dict[str, list[int]] = {}
    for run, made_by in RUNS.items():
        stand.checkpoint(run, made_by)
        for one in checkpoints(stand.folder_of(run), layout=stand.options.layout):
            layout = stand.layout_of(one.path, shift=one.shift)
            label = f"{run}, {one.steps} steps"
            made = stand.speak(label, at_once(layout), stand.plan)
            rows.append(Row(label, made.figures | {"steps": float(one.steps), "tokens_seen": float(one.tokens_seen)}))
            curves.setdefault(run, []).append(len(rows) - 1)
    if stand.options.layout == "aligned":
        rows.append(stand.speak("the shipped voices", wholly(stand, OPTIONS), stand.plan))
    notes = [
        f"whole utterance, {OPTIONS.steps} steps, greedy; averaged weights; the same predicted lengths for all; "
        "all runs see the same text and speech"
    ]
    if stand.options.layout == "prefix":
        notes.append("training tokens include what batches are padded with, about a tenth")
    title = (conversion.__doc__ or "").rstrip(".")
    return Table("conversion", title, stand.options.layout, stand.voice, rows, notes, {"curves": curves})
