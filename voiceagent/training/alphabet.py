"""Weights that knew fewer phonemes go on with more: rows for the new symbols, those they had as they were."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from voiceagent.model.config import LABELS_PER_TOKEN
from voiceagent.model.symbols import INDEX, NEAREST

UNHEARD = -8.0  # bias of a symbol that a classifier has never heard


def grown(saved: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Tensors of a checkpoint in the shape of a module whose alphabet may be larger: its table of symbols and its classifier.

    A new row of the table is that of the English symbol which sounds nearest, or nothing; a new class is unlikely.
    """
    wanted = module.state_dict()
    tensors = dict(saved)
    for name, tensor in saved.items():
        if name not in wanted or wanted[name].shape == tensor.shape or wanted[name].shape[1:] != tensor.shape[1:]:
            continue
        if name.endswith("symbol.weight"):
            tensors[name] = _table(tensor, len(wanted[name]))
        elif name.endswith(("out.weight", "out.bias")):
            tensors[name] = _classes(tensor, len(wanted[name]))
    return tensors


def _table(rows: Tensor, count: int) -> Tensor:
    """(symbols, C) -> (count, C)."""
    if count < len(rows):
        return rows
    table = torch.cat((rows, rows.new_zeros(count - len(rows), rows.shape[1])))
    for symbol, like in NEAREST.items():
        if len(rows) <= INDEX[symbol] < count:
            table[INDEX[symbol]] = rows[INDEX[like]]
    return table


def _classes(rows: Tensor, count: int) -> Tensor:
    """Rows (labels * symbols, ...) -> (count, ...), the labels of a token one after the other."""
    if count < len(rows) or count % LABELS_PER_TOKEN:
        return rows
    labels = rows.unflatten(0, (LABELS_PER_TOKEN, -1))
    more = count // LABELS_PER_TOKEN - labels.shape[1]
    fill = UNHEARD if rows.ndim == 1 else 0.0
    return torch.cat((labels, labels.new_full((LABELS_PER_TOKEN, more, *rows.shape[1:]), fill)), 1).flatten(0, 1)
