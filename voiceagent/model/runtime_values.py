"""A runtime's own values, as far as those see into them who hold them and hand them back."""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeVar

import numpy.typing as npt


class RuntimeArray(Protocol):
    """An array of any runtime: rows, and numbers for whoever copies them to this side."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Self: ...

    def __array__(self) -> npt.NDArray[Any]: ...  # of any type of number


class LanguageState:
    """What the language model remembers of a stream; only the decoder that made it looks inside."""

    __slots__ = ()


class SoundState:
    """What the codec remembers of a stream; only the codec that made it looks inside."""

    __slots__ = ()


ArrayT = TypeVar("ArrayT", bound=RuntimeArray)
LanguageT = TypeVar("LanguageT", bound=LanguageState)
SoundT = TypeVar("SoundT", bound=SoundState)
