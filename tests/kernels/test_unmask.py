"""The unmask step: kernel against reference, and both against what decoding does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.tiny_voice import tiny_model
from torch import Tensor

from voiceagent.kernels.gumbel import philox
from voiceagent.kernels.unmask import Schedule, unmask, unmask_reference
from voiceagent.model.decode import reference as decoding
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel

LEVELS = (8, 8, 8, 5, 5, 5)
SHARP, BROKEN = 1e4, float("nan")


def schedule(lengths: list[int], device: torch.device, *, noisy: bool = False, steps: int = 3) -> Schedule:
    """Rows with a schedule of their own each, all at different steps, seeds and temperatures."""
    rows, generator = len(lengths), torch.Generator().manual_seed(5)
    counts = torch.tensor([[max(1, n // (steps + 1)), n // steps, n][:steps] for n in lengths], dtype=torch.int32)

    def some(low: float, high: float) -> Tensor:
        return (torch.rand(rows, generator=generator) * (high - low) + low).to(device)

    return Schedule(
        starts=torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32, device=device),
        counts=counts.to(device),
        step_counts=torch.full((rows,), steps, dtype=torch.int32, device=device),
        steps=(torch.arange(rows, dtype=torch.int32) % steps).to(device),
        positions=torch.tensor([2**31 - 3 + 1000 * i for i in range(rows)], device=device),
        seeds=torch.tensor([(2**62 + 7) // (i + 1) for i in range(rows)], device=device),
        temperatures=some(0, 2),
        prior_weights=some(-0.5, 1.5),
        noises=some(0, 3),
        longest=max(*lengths, 1),
        noisy=noisy,
    )


def inputs(slots: int, levels: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, prior, tokens that are never proposed, and a mask with holes."""
    generator = torch.Generator().manual_seed(slots)
    logits = torch.randn(slots, sum(levels), generator=generator) * 3
    prior = torch.randn(sum(levels), generator=generator).log_softmax(0)
    masked = torch.rand(slots, generator=generator) < 0.7
    tokens = torch.full((slots, len(levels)), -1)
    return logits.to(device), prior.to(device), tokens.to(device), masked.to(device)


def compare(
    logits: Tensor, prior: Tensor, levels: tuple[int, ...], tokens: Tensor, masked: Tensor, s: Schedule
) -> None:
    """Run both on copies; afterwards `tokens` and `masked` are what the kernel made of them."""
    expected_tokens, expected_masked, ours = tokens.clone(), masked.clone(), replace(s, steps=s.steps.clone())
    unmask_reference(logits, prior, levels, expected_tokens, expected_masked, s)
    unmask(logits, prior, levels, tokens, masked, ours)
    assert torch.equal(masked, expected_masked)
    assert torch.equal(tokens, expected_tokens)
    assert torch.equal(ours.steps, s.steps)


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize(
    ("lengths", "levels"),
    [([5, 0, 16, 1], LEVELS), ([3], (3,)), ([17, 8], (6, 1, 9)), ([], LEVELS), ([33], (2, 2))],
    ids=str,
)
def test_kernel_equals_reference(
    lengths: list[int], levels: tuple[int, ...], noisy: bool, device: torch.device
) -> None:
    if not lengths:
        empty = schedule([1], device)
        none = {name: getattr(empty, name)[:0] for name in Schedule.__slots__ if name not in ("longest", "noisy")}
        compare(
            *_ordered(inputs(0, levels, device), levels), Schedule(**none | {"starts": empty.starts[:1]}, longest=1)
        )
        return
    made = inputs(sum(lengths), levels, device)
    before = made[3].clone()
    compare(*_ordered(made, levels), schedule(lengths, device, noisy=noisy))
    assert not (made[3] & ~before).any()
    assert (made[2][before & ~made[3]] >= 0).all()
    assert (made[2][~before] == -1).all(), "a token that was committed has changed"


def _ordered(
    made: tuple[Tensor, Tensor, Tensor, Tensor], levels: tuple[int, ...]
) -> tuple[Tensor, Tensor, tuple[int, ...], Tensor, Tensor]:
    logits, prior, tokens, masked = made
    return logits, prior, levels, tokens, masked


@pytest.mark.parametrize("noisy", [False, True])
def test_extreme_logits(noisy: bool, device: torch.device) -> None:
    logits, prior, tokens, masked = inputs(12, LEVELS, device)
    logits[0], logits[1], logits[2, 3] = SHARP, -SHARP, SHARP
    logits[3, :8] = torch.tensor([-torch.inf] * 7 + [0.0], device=device)
    logits[4] = 0.0  # all the same
    logits[5], logits[6] = logits[7], logits[7]  # equally sure
    compare(logits, prior, LEVELS, tokens, masked.fill_(True), schedule([4, 8], device, noisy=noisy))
    assert (tokens[3, 0] == 7) | masked[3]


@pytest.mark.filterwarnings(
    "ignore:invalid value encountered in multiply:RuntimeWarning"
)  # the interpreter's NumPy: 0 * inf
@pytest.mark.parametrize("value", [BROKEN, float("inf"), -float("inf")])
def test_what_is_no_number_still_gives_tokens(value: float, device: torch.device) -> None:
    logits, prior, tokens, masked = inputs(6, LEVELS, device)
    logits[2], logits[3, 8:10], prior[0] = value, value, -torch.inf
    s = replace(schedule([6], device), counts=torch.tensor([[4, 2]], dtype=torch.int32, device=device))
    s = replace(s, step_counts=torch.tensor([2], dtype=torch.int32, device=device))
    s.prior_weights.zero_()  # 0 * inf
    masked.fill_(True)
    compare(logits, prior, LEVELS, tokens, masked, s)
    assert masked.sum() == 2
    compare(logits, prior, LEVELS, tokens, masked, s)
    assert not masked.any()
    assert ((tokens >= 0) & (tokens < torch.tensor(LEVELS, device=device))).all()


def test_rows_that_are_done_stay_as_they_are(device: torch.device) -> None:
    logits, prior, tokens, masked = inputs(10, LEVELS, device)
    s = schedule([4, 6], device)
    s = replace(s, steps=torch.tensor([3, 1], dtype=torch.int32, device=device))
    masked[:4], masked[4:] = True, False  # the first row is past its last step, the second has nothing left
    before = masked.clone()
    compare(logits, prior, LEVELS, tokens, masked, s)
    assert torch.equal(masked, before)
    assert (tokens == -1).all()
    assert s.steps.tolist() == [3, 2]


def test_noise_does_not_depend_on_the_company(device: torch.device) -> None:
    logits, prior, tokens, masked = inputs(24, LEVELS, device)
    s = schedule([8, 16], device, noisy=True)
    own = {
        name: getattr(s, name)[1:].clone() for name in Schedule.__slots__ if name not in ("starts", "longest", "noisy")
    }
    alone = Schedule(starts=torch.tensor([0, 16], dtype=torch.int32, device=device), longest=16, **own)
    few_tokens, few_masked = tokens[8:].clone(), masked[8:].clone()
    unmask(logits, prior, LEVELS, tokens, masked, s)
    unmask(logits[8:].contiguous(), prior, LEVELS, few_tokens, few_masked, alone)
    assert torch.equal(tokens[8:], few_tokens)
    assert torch.equal(masked[8:], few_masked)


def test_a_decoder_would_have_committed_the_same() -> None:
    torch.manual_seed(2)
    model = PackedModel(tiny_model(), torch.float32)
    model.log_prior.copy_(torch.randn(39).log_softmax(0))
    options = [DecodingOptions(steps=k, prior=p) for k, p in ((4, 1.0), (2, 0.0), (7, 0.5))]
    blocks = [
        decoding.open_block(decoding.begin(model), torch.zeros(n, 32), o)
        for n, o in zip((8, 16, 3), options, strict=True)
    ]
    counts = torch.tensor([[*b.counts, *[0] * (8 - len(b.counts))] for b in blocks], dtype=torch.int32)
    s = Schedule(
        starts=torch.tensor([0, 8, 24, 27], dtype=torch.int32),
        counts=counts,
        step_counts=torch.tensor([len(b.counts) for b in blocks], dtype=torch.int32),
        steps=torch.zeros(3, dtype=torch.int32),
        positions=torch.zeros(3, dtype=torch.long),
        seeds=torch.zeros(3, dtype=torch.long),
        temperatures=torch.zeros(3),
        prior_weights=torch.tensor([o.prior for o in options]),
        noises=torch.zeros(3),
        longest=16,
        noisy=False,
    )
    tokens, masked = torch.zeros(27, 6, dtype=torch.long), torch.ones(27, dtype=torch.bool)
    while not all(block.done for block in blocks):
        logits = torch.randn(27, 39) * 2
        unmask_reference(logits, model.log_prior, LEVELS, tokens, masked, s)
        going = [(b, part) for b, part in zip(blocks, logits.split((8, 16, 3)), strict=True) if not b.done]
        sizes = [len(part) for _, part in going]
        after = iter(decoding._commit(model, [b for b, _ in going], torch.cat([part for _, part in going]), sizes))
        blocks = [block if block.done else next(after) for block in blocks]
        assert torch.equal(torch.cat([block.masked for block in blocks]), masked)
        assert torch.equal(torch.cat([block.tokens for block in blocks])[~masked], tokens[~masked])
    assert not masked.any()


def test_random_words_are_those_of_the_published_generator() -> None:
    """Known answers of Philox4x32-10, from the Random123 distribution."""
    ones, zeros = torch.tensor(0xFFFFFFFF), torch.tensor(0)
    made = [f"{int(word):08x}" for word in philox(zeros, (zeros,) * 4)]
    assert made == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    made = [f"{int(word):08x}" for word in philox(torch.tensor(-1), (ones,) * 4)]
    assert made == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


def test_samples_follow_the_distribution() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(3000, 3).contiguous()
    s = replace(
        schedule([3000], torch.device("cpu"), noisy=True),
        temperatures=torch.ones(1),
        steps=torch.full((1,), 2, dtype=torch.int32),
    )
    tokens, masked = torch.zeros(3000, 1, dtype=torch.long), torch.ones(3000, dtype=torch.bool)
    unmask_reference(logits, torch.zeros(3), (3,), tokens, masked, s)
    shares = tokens.flatten().bincount(minlength=3) / 3000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": torch.zeros(4, 38)}, "logits has the shape"),
        ({"logits": torch.zeros(4, 39, dtype=torch.float64)}, "float64, not float32 or bfloat16"),
        ({"logits": torch.zeros(39, 4).T}, "not contiguous"),
        ({"tokens": torch.zeros(4, 5, dtype=torch.long)}, "tokens has the shape"),
        ({"masked": torch.zeros(4)}, "masked is float32"),
        ({"levels": ()}, "levels"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    logits, prior, tokens, masked = inputs(4, LEVELS, torch.device("cpu"))
    given = {"logits": logits, "log_prior": prior, "levels": LEVELS, "tokens": tokens, "masked": masked} | change
    with pytest.raises(ValueError, match=message):
        unmask(**given, schedule=schedule([4], torch.device("cpu")))  # type: ignore[arg-type]


def test_rows_that_are_too_long_are_refused() -> None:
    logits, prior, tokens, masked = inputs(4, LEVELS, torch.device("cpu"))
    with pytest.raises(ValueError, match="longer than longest = 3"):
        unmask(logits, prior, LEVELS, tokens, masked, replace(schedule([4], torch.device("cpu")), longest=3))
