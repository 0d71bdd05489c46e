"""The folder `graphs` beside the voices: what is in it, whether it belongs to them, and how it is loaded.

A graph is a few kilobytes and holds no weights; those are made of the safetensors while it is loaded, each graph's by a
thread of its own. `graphs.toml` says which safetensors the graphs were exported from.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from voiceagent.errors import ModelError
from voiceagent.model.config import VoicesConfig
from voiceagent.model.onnx import weights
from voiceagent.model.onnx.layout import EXACT, GRAPH_VERSION, REDUCED
from voiceagent.model.onnx.voices import tables_of
from voiceagent.model.onnx.weights import Array
from voiceagent.settings import onnx_runtime

FOLDER, MANIFEST, PROBE = "graphs", "graphs.toml", "probe"
GRAPHS = ("speech", "decoder", "text", "conditioning")  # those that take longest to load first
PRECISIONS = ("int8", "float32")
WEIGHTS = ("language_model.safetensors", "codec.safetensors")
ALIGNER, ALIGNER_WEIGHTS = "aligner", "aligner.safetensors"  # where there is one
EXPORT = "`voiceagent train graphs FOLDER` writes them"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Graphs that are ready to run, and the tables that NumPy looks into."""

    sessions: Mapping[str, Any]
    embeddings: npt.NDArray[np.float32]  # (codes + 2, C)
    log_prior: npt.NDArray[np.float32]  # (codes,)
    voices: Mapping[str, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]]  # what each graph hears


def digest(file: Path) -> str:
    """SHA-256 of a file.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ModelError(f"{file} is missing: reinstall voiceagent, or train it with `voiceagent train`") from error
    except OSError as error:
        raise ModelError(
            f"{file} cannot be read ({error.strerror}): restore the file, or reinstall voiceagent"
        ) from error


def load(
    folder: Path, config: VoicesConfig, *, precision: str = "int8", threads: int = 1, guard: bool = True
) -> Loaded:
    """Load the graphs of a folder of voices.

    Args:
        guard: load what listens to tokens too, where there is an aligner.

    Raises:
        ModelError: there are none, they are of another version or of other weights, or something is damaged.
    """
    manifest = _manifest(folder)
    onnx_runtime.load()
    with ThreadPoolExecutor(len(GRAPHS) + 1, thread_name_prefix="voiceagent-load") as pool:
        listens = guard and (folder / ALIGNER_WEIGHTS).exists()
        files = [*WEIGHTS, *([ALIGNER_WEIGHTS] if listens else [])]
        names = [*GRAPHS, *([ALIGNER] if listens else [])]
        checks = [pool.submit(_check, folder / name, manifest) for name in files]
        most = _largest_weight(folder) if precision == "int8" else 0
        loads = {name: pool.submit(_session, folder, name, config, precision, most, threads) for name in names}
        for check in checks:
            check.result()
        sessions = {name: loading.result() for name, loading in loads.items()}
    with Tensors(folder / WEIGHTS[0]) as tensors, Tensors(folder / WEIGHTS[1]) as codec:
        embeddings, log_prior = (tensors[name].astype(np.float32) for name in ("digit.weight", "log_prior"))
        return Loaded(sessions, embeddings, log_prior, tables_of(tensors, codec, config.language_model, config.codec))


def _manifest(folder: Path) -> dict[str, Any]:
    file = folder / FOLDER / MANIFEST
    try:
        manifest = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f'no graphs for ONNX Runtime in {folder}: {EXPORT}; or set runtime = "torch"') from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{file} cannot be read ({error}): {EXPORT} again") from error
    if manifest.get("version") != GRAPH_VERSION:
        found = manifest.get("version")
        raise ModelError(
            f"the graphs in {file.parent} are of version {found}, "
            f"this voiceagent runs version {GRAPH_VERSION}: {EXPORT} again"
        )
    return manifest


def _check(file: Path, manifest: Mapping[str, Any]) -> None:
    if digest(file) != manifest.get("weights", {}).get(file.name):
        raise ModelError(
            f"{file} is not what the graphs beside it were exported from, or damaged: "
            f"restore the file, or {EXPORT} again"
        )


def _session(folder: Path, name: str, config: VoicesConfig, precision: str, most: int, threads: int) -> Any:
    """A graph with its weights, ready to run."""
    file = folder / FOLDER / f"{name}.{precision}.onnx"
    runtime, options = onnx_runtime.load(), onnx_runtime.options(threads)
    source = folder / {"decoder": WEIGHTS[1], ALIGNER: ALIGNER_WEIGHTS}.get(name, WEIGHTS[0])
    try:
        graph = file.read_bytes()
        with Tensors(source) as tensors:
            made = dict(_makers(tensors, config, most)[name]())
        values = [runtime.OrtValue.ortvalue_from_numpy(array) for array in made.values()]
        options.add_external_initializers(list(made), values)
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except FileNotFoundError as error:
        raise ModelError(f"{file} is missing: {EXPORT}") from error
    except KeyError as error:
        raise ModelError(f"{source} lacks {error}: both must come from one training run") from error
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime") or isinstance(error, (OSError, ValueError)):
            reason = str(error).splitlines()[0]
            raise ModelError(f"{file} cannot be loaded ({reason}): {EXPORT} again") from error
        raise


def _makers(
    tensors: Mapping[str, Array], config: VoicesConfig, most: int
) -> dict[str, Callable[[], Iterator[tuple[str, Array]]]]:
    """What makes the weights of each graph."""
    lm, codec = config.language_model, config.codec
    return {
        "speech": lambda: weights.speech_weights(tensors, lm, most),
        "text": lambda: weights.text_weights(tensors, lm, most),
        "conditioning": lambda: weights.conditioning_weights(tensors, most),
        "decoder": lambda: weights.decoder_weights(tensors, codec, most),
        ALIGNER: lambda: weights.aligner_weights(tensors),
    }


class Tensors(Mapping[str, Array]):
    """The tensors of a safetensors file, each read when it is asked for; a context.

    Raises:
        ModelError: the file cannot be read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> Tensors:
        try:
            self._opened = safe_open(self._file, "numpy")
        except FileNotFoundError as error:
            raise ModelError(
                f"{self._file} is missing: reinstall voiceagent, or train it with `voiceagent train`"
            ) from error
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{self._file} is cut short or damaged ({error}): restore the file, or reinstall voiceagent"
            ) from error
        self._names = frozenset(self._opened.keys())  # type: ignore[no-untyped-call]  # safetensors
        return self

    def __exit__(self, *_: object) -> None:
        del self._opened

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        tensor: Array = self._opened.get_tensor(name)  # type: ignore[no-untyped-call]  # safetensors
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _largest_weight(folder: Path) -> int:
    """The largest weight of eight bits whose products this processor adds up without losing any.

    Processors with AVX2 or AVX512 alone add two products in sixteen bits, which 255 * 127 twice does not fit; 64 does.
    """
    file = folder / FOLDER / f"{PROBE}.onnx"
    runtime = onnx_runtime.load()
    inputs, weight = np.full((5, 64), 255, np.uint8), np.full((64, 32), EXACT, np.int8)
    try:
        session = runtime.InferenceSession(
            file.read_bytes(), onnx_runtime.options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ModelError(f"{file} cannot be loaded ({str(error).splitlines()[0]}): {EXPORT} again") from error
    (products,) = session.run(None, {"inputs": inputs, "weight": weight})
    return EXACT if (products == 64 * 255 * EXACT).all() else REDUCED
