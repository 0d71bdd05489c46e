"""Optimiser, schedule and checkpoint shared by all trainings: Muon on matrices, AdamW on the rest, weights averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from voiceagent.model.voice_table import VoiceTable


def optimizers(modules: Iterable[nn.Module], *, muon_lr: float, adamw_lr: float) -> list[torch.optim.Optimizer]:
    """Muon (arXiv 2502.16982) for matrices inside the network; AdamW for embeddings, norms, biases and heads named `out*`."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for module in modules:
        tables = {id(p) for m in module.modules() if isinstance(m, (nn.Embedding, VoiceTable)) for p in m.parameters()}
        for parameter in module.parameters():
            (matrices if parameter.ndim == 2 and id(parameter) not in tables else others).append(parameter)
    muon = torch.optim.Muon(matrices, lr=muon_lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=adamw_lr, betas=(0.9, 0.98), weight_decay=0.0)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return [muon, adamw]


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Scale every group's rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor


def descend(losses: dict[str, Tensor], optimizers: Sequence[torch.optim.Optimizer], *, clip: float) -> dict[str, float]:
    """One step down the sum of the losses, its gradient clipped; a step whose gradient is not finite is skipped.

    Returns the losses and, as `norm`, the gradient's norm before clipping.
    """
    torch.stack(list(losses.values())).sum().backward()
    parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, clip)
    for optimizer in optimizers:
        if torch.isfinite(norm):
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return {name: float(loss.detach()) for name, loss in losses.items()} | {"norm": float(norm)}


def warm_up_then_decay(done: float, *, warm: float = 0.01, decay_from: float = 0.6, floor: float = 0.03) -> float:
    """Trapezoid over the share of the training that is done (0 to 1)."""
    if done < warm:
        return max(done / warm, 0.02)
    if done < decay_from:
        return 1.0
    return max(floor, 1.0 - (1.0 - floor) * (done - decay_from) / (1.0 - decay_from))


@dataclass
class Average:
    """Exponential moving average of a module's weights: the checkpoint that ships."""

    module: nn.Module
    decay: float = 0.999
    shadow: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shadow = {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}

    def restore(self, shadow: dict[str, Tensor]) -> None:
        """Go on from a saved average."""
        self.shadow = {name: tensor.to(self.shadow[name].device) for name, tensor in shadow.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Fold the present weights in; early on the average is short."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in self.module.state_dict().items():
            if tensor.is_floating_point():
                self.shadow[name].lerp_(tensor, 1 - decay)
            else:
                self.shadow[name].copy_(tensor)


def save(path: Path, build: Callable[[], dict[str, object]]) -> None:
    """Write a checkpoint whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(build(), part)
    part.replace(path)
