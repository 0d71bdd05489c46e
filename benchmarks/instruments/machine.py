"""What every benchmark says first: the machine, and what the figures do not say; and last: one line of JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

CONSOLE = Console()
DATA = Path(__file__).resolve().parent.parent / "data"
BUSY_LOAD = 0.5


def describe() -> dict[str, Any]:
    """Processor, memory, load and versions of this machine."""
    load = os.getloadavg()[0]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load": round(load, 2),
        "device": _device_name(),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "voiceagent": _version("voiceagent"),
    }


def announce(title: str, caveats: Iterable[str]) -> dict[str, Any]:
    """Print title, machine and caveats; returns the machine, for `finish`."""
    machine = describe()
    CONSOLE.rule(title)
    CONSOLE.print(", ".join(f"{key} {value}" for key, value in machine.items()), highlight=False)
    if machine["load"] > BUSY_LOAD:
        caveats = [*caveats, f"the machine was busy (load {machine['load']}): timings are worse than they would be"]
    for caveat in caveats:
        CONSOLE.print(f"- {caveat}", highlight=False)
    return machine


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people; floats are shown as they are, so round them first."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    CONSOLE.print(table)


def finish(name: str, machine: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Print the last line."""
    print(json.dumps({"benchmark": name, "machine": dict(machine), **results}), flush=True)


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
