"""Tables about decoding: steps, what is committed first, blocks, sampling, the parent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from reproduction.layouts import Canvas, at_random, left_to_right, margin, whole
from reproduction.results import Row, Table
from reproduction.stand import Stand
from voiceagent.engine.synthesizer import BLOCK, FIRST_BLOCK
from voiceagent.model.decode.infill import Confidence
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.reference import propose
from voiceagent.training.prefix.autoregressive import Sampling

PLAIN = DecodingOptions(tau=1.0, alpha=0.0)  # as many tokens in every step, all steps taken
Speaking = Callable[[Canvas], tuple[Tensor, int]]


def wholly(stand: Stand, options: DecodingOptions, confidence: Confidence = propose) -> Speaking:
    """The paper's way of decoding."""
    return lambda canvas: whole(stand.layout, canvas, options, confidence)


def blockwise(stand: Stand, options: DecodingOptions, size: int = BLOCK, first: int | None = None) -> Speaking:
    """Our way of decoding."""
    return lambda canvas: stand.layout.in_blocks(canvas, options, size, first or size)


def shipped(stand: Stand) -> Speaking:
    """Our way with the options that the voice ships with."""
    return blockwise(stand, stand.voices.decoding[stand.voice], BLOCK, FIRST_BLOCK)


def steps(stand: Stand) -> Table:
    """Steps against quality, the whole utterance at once."""
    rows = [
        stand.speak(f"{n} steps", wholly(stand, replace(PLAIN, steps=n), margin), stand.plan)
        for n in (1, 2, 4, 8, 16, 32, 48, 64)
    ]
    rows.append(stand.speak("ours: blocks of 16, shipped options", shipped(stand), stand.plan))
    notes = ["whole utterance, the paper's margin confidence, as many tokens in every step, greedy"]
    return table(stand, "steps", steps, rows, notes)


def orders(stand: Stand) -> Table:
    """What decides which tokens are committed first, at 8 steps."""
    eight = replace(PLAIN, steps=8)
    ways: list[tuple[str, DecodingOptions, Confidence]] = [
        ("margin (LLaDA-TTS)", eight, margin),
        ("log p", replace(eight, prior=0.0), propose),
        ("log p - log prior (ours)", eight, propose),
        ("the same, noise 1 on positions", replace(eight, noise=1.0), propose),
        ("the same, noise 5 (Chatterbox-Flash)", replace(eight, noise=5.0), propose),
        ("left to right (PALLE)", eight, left_to_right),
        ("at random", eight, at_random),
    ]
    rows = [stand.speak(name, wholly(stand, options, way), stand.plan) for name, options, way in ways]
    return table(stand, "orders", orders, rows, ["whole utterance, 8 steps, as many tokens in every step, greedy"])


def blocks(stand: Stand) -> Table:
    """Size of blocks and steps a block, and finishing early."""
    rows = [
        stand.speak(f"blocks of {size}, {n} steps", blockwise(stand, replace(PLAIN, steps=n), size), stand.plan)
        for size in (4, 8, 16, 32)
        for n in (1, 2, 4, 8, 16)
        if n <= size
    ]
    rows += [
        stand.speak(
            f"blocks of 16, 8 steps, late schedule, early exit {alpha:g}",
            blockwise(stand, DecodingOptions(steps=8, tau=0.5, alpha=alpha)),
            stand.plan,
        )
        for alpha in (0.0, 0.25, 0.5, 0.75)
    ]
    rows.append(stand.speak("blocks of 16, shipped options (first block of 8)", shipped(stand), stand.plan))
    notes = [
        "early exit: share of the open tokens that a step commits at least, growing from step to step; late schedule: tau 0.5"
    ]
    return table(stand, "blocks", blocks, rows, notes)


def sampling(stand: Stand) -> Table:
    """Temperature, position noise and steps: what a stochastic voice might need them for."""
    made = stand.voices.decoding[stand.voice]
    rows = [
        stand.speak(
            f"temperature {warmth:g}, {n} steps",
            blockwise(stand, replace(made, steps=n, temperature=warmth)),
            stand.plan,
        )
        for n in (1, 4, 16)
        for warmth in (0.0, 0.5, 1.0)
    ]
    rows += [
        stand.speak(
            f"temperature 0.5, 4 steps, noise {noise:g}",
            blockwise(stand, replace(made, steps=4, temperature=0.5, noise=noise)),
            stand.plan,
        )
        for noise in (1.0, 5.0)
    ]
    return table(stand, "sampling", sampling, rows, ["blocks of 16; Gumbel noise on logits times the temperature"])


def parent(stand: Stand) -> Table:
    """The autoregressive parent with its cache, beside ours."""
    ways: list[tuple[str, Speaking]] = [
        ("parent, sampled as CosyVoice", lambda canvas: stand.parent.generate(canvas, Sampling())),
        ("parent, greedy", lambda canvas: stand.parent.generate(canvas, Sampling(temperature=0.0))),
        ("ours, whole, 64 steps (the paper's)", wholly(stand, replace(PLAIN, steps=64), margin)),
        ("ours, whole, 8 steps", wholly(stand, replace(PLAIN, steps=8))),
        ("ours, blocks of 16, shipped options", shipped(stand)),
        ("ours, blocks of 16, 2 steps", blockwise(stand, replace(PLAIN, steps=2))),
        ("ours, blocks of 16, 8 steps", blockwise(stand, replace(PLAIN, steps=8))),
    ]
    rows = [stand.speak(name, way, stand.plan) for name, way in ways]
    equal, how = equal_quality(rows)
    return table(stand, "parent", parent, [*rows, equal], [how, "aim: 3 times fewer forwards, 2 times less time"])


def equal_quality(rows: list[Row]) -> tuple[Row, str]:
    """The better of the parent's rows against the cheapest of ours that is no worse, within the standard error of both.

    Returns the line of the table, and which two rows it compares.
    """
    label = "at equal word error rate"
    best = min((row for row in rows if row.label.startswith("parent")), key=lambda row: row.figures["wer"])

    def as_good(row: Row) -> bool:
        error = (row.figures["wer_error"] ** 2 + best.figures["wer_error"] ** 2) ** 0.5
        return bool(row.figures["wer"] <= best.figures["wer"] + error)

    ours = [row for row in rows if row.label.startswith("ours") and as_good(row)]
    if not ours:
        return Row(label, {}), f"none of ours is as good as {best.label!r}"
    cheapest = min(ours, key=lambda row: row.figures["rtf"])
    ratios = {
        "forwards_ratio": best.figures["forwards"] / cheapest.figures["forwards"],
        "time_ratio": best.figures["rtf"] / cheapest.figures["rtf"],
    }
    return Row(
        label, ratios
    ), f"equal within a standard error of the difference: {cheapest.label!r} against {best.label!r}"


def table(stand: Stand, name: str, maker: Callable[[Stand], Table], rows: list[Row], notes: list[str]) -> Table:
    """A table titled as its maker says."""
    title = (maker.__doc__ or name).strip().rstrip(".")
    return Table(name, title, stand.options.layout, stand.voice, rows, notes)
