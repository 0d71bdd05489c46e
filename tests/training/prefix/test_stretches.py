"""Where training cuts a text that streams: at words, in tokens, with look-ahead."""

from __future__ import annotations

import pytest
import torch

from voiceagent.model.symbols import encode
from voiceagent.training.masking import draw_blocks
from voiceagent.training.prefix.layout import SPEAK, positions
from voiceagent.training.prefix.stretches import Chunking, draw_cuts, streamed

TWO_SENTENCES = encode("_æb æb æb._" + "_æb æb æb æb._")  # seven words
ENDS_S = [0.1 * (at + 1) for at in range(len(TWO_SENTENCES))]  # 2.5 tokens a phoneme


def cuts(words: int, ahead: int, ends_s: list[float] = ENDS_S) -> set[tuple[tuple[int, int, int], ...]]:
    """What a few draws found, of chunks of so many words and at most so much look-ahead."""
    chunking = Chunking(words=(words, words), ahead=ahead)
    torch.manual_seed(0)
    return {tuple(draw_cuts(TWO_SENTENCES, ends_s, chunking)) for _ in range(20)}


def test_a_chunk_ends_where_its_words_end_and_a_sentence_takes_its_silence_along() -> None:
    assert cuts(3, 0) == {((11, 11, 27), (20, 20, 50), (25, 25, 62))}
    assert cuts(2, 0) == {((6, 6, 15), (14, 14, 35), (20, 20, 50), (25, 25, 62))}


def test_lookahead_is_words_and_never_the_silence_at_the_end() -> None:
    ahead = {tuple(known - end for end, known, _ in drawn) for drawn in cuts(3, 2)}
    assert ahead == {(0, 0, 0), (3, 4, 0), (6, 4, 0)}


def test_the_silence_between_sentences_comes_with_the_second() -> None:
    seven = encode("_æb æb æb æb._" + "_æb æb æb._")
    torch.manual_seed(0)
    ends_s = [0.1 * (at + 1) for at in range(len(seven))]
    drawn = {tuple(draw_cuts(seven, ends_s, Chunking(words=(3, 3), ahead=1))) for _ in range(20)}
    assert {cuts[0][:2] for cuts in drawn} == {(9, 9), (9, 13)}  # " æb." without the "_" that ends the sentence


def test_lookahead_longer_than_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="2 must be below 1 words"):
        Chunking(words=(1, 3), ahead=2)


def test_a_stretch_shorter_than_a_token_is_joined_to_the_next() -> None:
    hurried = [0.001 * (at + 1) for at in range(11)] + ENDS_S[11:]
    assert cuts(3, 0, hurried) == {((20, 20, 50), (25, 25, 62))}


def test_rows_of_a_batch_are_padded_with_what_is_not_there() -> None:
    rows, ends = [torch.tensor(TWO_SENTENCES), torch.tensor(TWO_SENTENCES[:11])], [ENDS_S, ENDS_S[:11]]
    batch = streamed(rows, ends, Chunking(words=(3, 3), ahead=0, whole_odds=0.0))
    assert batch.present.sum(1).tolist() == [25 + 3, 11 + 1]
    assert batch.phonemes[1, 11] == SPEAK
    assert batch.stretch.shape == (2, 62)


def test_some_texts_are_there_from_the_beginning_as_when_they_are_spoken_whole() -> None:
    rows, ends = [torch.tensor(TWO_SENTENCES)], [ENDS_S]
    batch = streamed(rows, ends, Chunking(whole_odds=1.0))
    assert batch.phonemes.tolist() == [TWO_SENTENCES]
    there = torch.ones(1, 25, dtype=torch.bool), torch.ones(1, 62, dtype=torch.bool)
    assert torch.allclose(batch.positions, positions(*there)[:, 0, :25])
    assert not batch.stretch.any()


@pytest.mark.parametrize("seed", range(5))
def test_no_block_reaches_from_one_stretch_into_the_next(seed: int) -> None:
    torch.manual_seed(seed)
    stretch = torch.tensor([[0] * 13 + [1] * 20 + [2] * 7, [0] * 40])
    blocks = draw_blocks(stretch, (6,))
    for row, names in zip(blocks, stretch, strict=True):
        owners = {int(block): set(names[row == block].tolist()) for block in row.unique()}
        assert all(len(owner) == 1 for owner in owners.values())
        assert max(torch.unique(row, return_counts=True)[1]) <= 6
        assert (row[1:] - row[:-1]).unique().tolist() == [0, 1]
