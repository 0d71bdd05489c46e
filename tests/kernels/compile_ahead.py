"""Compiles every kernel for a GPU that need not be here, and prints what the machine code needs; run by test_compile_ahead.py.

One JSON object: {kernel and shape: {"registers": a thread, "stack_bytes": a thread, "shared_bytes": a program}}.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from voiceagent.kernels.attention import BLOCK_KEYS, BLOCK_QUERIES, attention_kernel
from voiceagent.kernels.gumbel import RANK, SAMPLE
from voiceagent.kernels.norm_rotary import EPSILON, norm_rotary_kernel
from voiceagent.kernels.swiglu import BLOCK_UNITS, swiglu_kernel
from voiceagent.kernels.unmask import LARGEST, unmask_kernel

LEVELS = (8, 8, 8, 5, 5, 5)
SHAPES = {
    "shipped": {"width": 320, "heads": 5, "kv_heads": 1, "head_dim": 64},
    "0.5b": {"width": 896, "heads": 14, "kv_heads": 2, "head_dim": 64},
}


def jobs(width: int, heads: int, kv_heads: int, head_dim: int) -> dict[str, tuple[Any, str, dict[str, Any]]]:
    """Kernels with the types of their arguments, those of model/kernel_model.py, one after the other, and their constants."""
    power = triton.next_power_of_2
    return {
        "unmask": (
            unmask_kernel,
            "*bf16 *fp32 *i64 *u8 *i32 *i32 *i32 *i32 *i64 *i64 *fp32 *fp32 *fp32 i32",
            {
                "LEVELS": LEVELS,
                "CODES": sum(LEVELS),
                "NOISY": True,
                "LARGEST": LARGEST,
                "SAMPLE": SAMPLE,
                "RANK": RANK,
                "BLOCK_SLOTS": 32,
                "BLOCK_LEVELS": 8,
                "BLOCK_DIGITS": 8,
            },
        ),
        "attention": (
            attention_kernel,
            "*bf16 *bf16 *bf16 *i32 *i32 *i32 *i32 fp32 i32 i32 i32",
            {
                "GROUP": heads // kv_heads,
                "D": head_dim,
                "BLOCK_D": power(head_dim),
                "BLOCK_QUERIES": BLOCK_QUERIES,
                "BLOCK_KEYS": BLOCK_KEYS,
                "PRECISION": "tf32",
            },
        ),
        "attention in float32": (
            attention_kernel,
            "*fp32 *fp32 *fp32 *i32 *i32 *i32 *i32 fp32 i32 i32 i32",
            {
                "GROUP": heads // kv_heads,
                "D": head_dim,
                "BLOCK_D": power(head_dim),
                "BLOCK_QUERIES": BLOCK_QUERIES,
                "BLOCK_KEYS": BLOCK_KEYS,
                "PRECISION": "ieee",
            },
        ),
        "norm_rotary": (
            norm_rotary_kernel,
            "*bf16 *fp32 *bf16 *fp32 *fp32 *bf16 *bf16 *bf16 *i32 *i32 i32",
            {
                "WIDTH": width,
                "HEADS": heads,
                "KV": kv_heads,
                "HALF": head_dim // 2,
                "EPSILON": EPSILON,
                "BLOCK_WIDTH": power(width),
                "BLOCK_HEADS": power(heads + 2 * kv_heads),
                "BLOCK_HALF": power(head_dim // 2),
            },
        ),
        "swiglu": (
            swiglu_kernel,
            "*bf16 *fp32 *bf16 i32",
            {"WIDTH": width, "EPSILON": EPSILON, "BLOCK_WIDTH": power(width), "BLOCK_UNITS": BLOCK_UNITS},
        ),
    }


def compile_for(kernel: Any, types: str, constants: dict[str, Any], capability: int) -> dict[str, int]:
    """What the machine code for this compute capability (90 is an H100) needs."""
    names = [name for name in kernel.arg_names if name not in constants]
    signature = dict(zip(names, types.split(), strict=True)) | dict.fromkeys(constants, "constexpr")
    source = ASTSource(kernel, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        command = [str(tool), "--dump-resource-usage", file.name]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    registers, stack = (int(re.search(rf"{word}:(\d+)", report)[1]) for word in ("REG", "STACK"))  # type: ignore[index]
    return {"registers": registers, "stack_bytes": stack, "shared_bytes": compiled.metadata.shared}


def main() -> None:
    """All kernels, for the compute capabilities on the command line."""
    found = {}
    for capability in map(int, sys.argv[1:]):
        for shape, sizes in SHAPES.items():
            for name, (kernel, types, constants) in jobs(**sizes).items():
                if name != "unmask" or shape == "shipped":  # it does not depend on the model's shape
                    found[f"{name}, {shape}, sm_{capability}"] = compile_for(kernel, types, constants, capability)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
