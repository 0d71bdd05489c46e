"""Capturing, with graphs that are a tape: what was recorded is done again on the same memory, and nothing else is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from support.random_speech import DEVICE, LONGEST, model_of, speeches, talk
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from voiceagent.kernels.dispatch import TORCH, Kernels
from voiceagent.model.cuda.decoder import DeviceDecoder
from voiceagent.model.cuda.graphs import Capture
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.torch_decoder import PackedDecoder

pytestmark = pytest.mark.skipif(DEVICE.type != "cpu", reason="there are real graphs here")

Entry = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]


class Tape(TorchDispatchMode):
    """Operations as they are done, each with the memory of its results, as a CUDA graph has them."""

    open: Tape | None = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: list[Entry] = []
        self.replays = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.entries.append((func, args, kwargs or {}, out))
        return out

    def replay(self) -> None:
        """Again, with whatever the same memory holds now."""
        self.replays += 1
        for func, args, kwargs, out in self.entries:
            again = func(*args, **kwargs)
            for old, new in zip(
                *((each if isinstance(each, tuple) else (each,)) for each in (out, again)), strict=True
            ):
                if isinstance(old, Tensor) and old.numel() and new.data_ptr() != old.data_ptr():
                    old.copy_(new)


def whole(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel is one entry, whatever its reference looks at on the way."""

    def launch(*args: Any) -> Any:
        tape = Tape.open
        if tape is None:
            return kernel(*args)
        with torch._C._DisableTorchDispatch():
            out = kernel(*args)
        tape.entries.append((kernel, args, {}, out))
        return out

    return launch


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> list[Tape]:
    """In place of CUDA's graphs and streams."""
    made: list[Tape] = []

    class Stream:
        def wait_stream(self, other: object) -> None: ...

    def new() -> Tape:
        made.append(Tape())
        return made[-1]

    @contextlib.contextmanager
    def recording(tape: Tape, *, pool: object, capture_error_mode: str) -> Iterator[None]:
        assert (pool, capture_error_mode) == ("pool", "thread_local")
        Tape.open = tape
        with tape:
            yield
        Tape.open = None

    fakes = {
        "graph_pool_handle": lambda: "pool",
        "Stream": Stream,
        "current_stream": Stream,
        "stream": contextlib.nullcontext,
    }
    for name, fake in (fakes | {"CUDAGraph": new, "graph": recording}).items():
        monkeypatch.setattr(torch.cuda, name, fake)
    return made


def test_replays_make_the_tokens_of_the_reference(tapes: list[Tape]) -> None:
    """Whatever the host had put into the recording instead of into the inputs would be the same in every tick."""
    model, streams = model_of(), speeches(3, 6)
    kernels = Kernels("whole", *(whole(k) for k in (TORCH.norm_rotary, TORCH.attend, TORCH.swiglu, TORCH.unmask)))
    decoder = DeviceDecoder(model, streams=3, longest=LONGEST, kernels=kernels, capture=Capture())
    made = talk(decoder, streams)
    assert all(torch.equal(a, b) for a, b in zip(made, talk(PackedDecoder(model), streams), strict=True))
    buckets = len(tapes)
    assert sum(tape.replays for tape in tapes) > 2 * buckets > 4
    again = talk(decoder, streams)
    assert len(tapes) == buckets  # captured once
    assert all(torch.equal(a, b) for a, b in zip(again, made, strict=True))


def test_capturing_leaves_the_streams_alone(tapes: list[Tape]) -> None:
    """The buckets of ordinary blocks are there before anybody speaks, and making them has changed nobody's memory."""
    decoder = DeviceDecoder(model_of(), streams=2, longest=LONGEST, kernels=TORCH, capture=Capture())
    streams = decoder.streams * 3 * LONGEST  # behind these, padding goes where nobody reads
    memory = [decoder._pool.keys, decoder._pool.values, decoder._tokens[:streams], decoder._masked[:streams]]
    for part in memory:
        part.fill_(3)
    before = [part.clone() for part in memory]
    decoder.warm_up()
    assert len(tapes) > 4
    assert {bucket.rows for bucket in decoder._ticks} == {1, 2}
    assert all(torch.equal(old, new) for old, new in zip(before, memory, strict=True))
    buckets = len(tapes)
    decoder.tick([decoder.open(decoder.begin(), torch.zeros(LONGEST, 32), DecodingOptions())])
    assert len(tapes) == buckets
