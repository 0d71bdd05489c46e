"""Tables of words that stand beside the code as tab-separated text."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["read_table"]


def read_table(package: str, name: str) -> list[tuple[str, ...]]:
    """The rows of the file `name` of `package`, each a tuple of its cells; lines that begin with # are comments."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    return [tuple(line.split("\t")) for line in text.splitlines() if line and not line.startswith("#")]
