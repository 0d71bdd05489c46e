"""Where the bytes of a file go: whole or not there, unless the name stands for something that only passes them on.

    with Destination(Path("speech.wav")) as there:
        there.write(data)

A regular file is written beside its name, in the same folder, and takes the name when it is complete; whatever goes
wrong, the part is removed and what was there before stays. A symbolic link stays one: its target is what is replaced. A
pipe, a device and standard output (`-`, /dev/stdout) get the bytes as they come.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from voiceagent.errors import InputError

STANDARD_OUTPUT = Path("-")
# Names of a descriptor that is open already. Opening one again would begin at the start of a file that others write to
# as well.
_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/self/fd/(\d+)")
_NAMED_DESCRIPTORS = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}


class Destination:
    """A file that is being written.

    Raises:
        InputError: it cannot be written; on entering already, where that can be known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.passes_on = passes_on(path)
        """Bytes leave at once: nothing that was written can be corrected."""
        self._target = path
        self._part: Path | None = None
        self._descriptor = -1

    def __enter__(self) -> Destination:
        check_writable(self.path)
        with self._told():
            if self.passes_on:
                self._descriptor = _open_to_pass_on(self.path)
            else:
                self._target = self.path.resolve()
                self._part = self._target.with_name(f".{self._target.name[:40]}.{secrets.token_hex(4)}.part")
                self._descriptor = os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o666)
                if self._target.exists():
                    self._part.chmod(stat.S_IMODE(self._target.stat().st_mode))
        return self

    def write(self, data: bytes) -> None:
        """Appends bytes; where they are passed on, waits until they have been taken."""
        with self._told():
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # a pipe that somebody has made non-blocking
                    select.select([], [self._descriptor], [])

    def rewrite(self, head: bytes) -> None:
        """Puts other bytes in place of the first ones; only where nothing has been passed on."""
        with self._told():
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, head)
            os.lseek(self._descriptor, 0, os.SEEK_END)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._told():
                os.close(self._descriptor)  # some file systems say only now that there is no room
                if self._part is not None and kind is None:
                    os.replace(self._part, self._target)
        finally:
            if self._part is not None:
                self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"cannot write {_shown(self.path)}: {error.strerror}") from error


def passes_on(path: Path) -> bool:
    """Whether the name stands for something that is written through: a pipe, a device, a descriptor that is open."""
    if _descriptor_of(path) is not None:
        return True
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def check_writable(path: Path) -> None:
    """Finds out early what can be found out early.

    Raises:
        InputError: a file could not be written there.
    """
    if (descriptor := _descriptor_of(path)) is not None:
        _check_descriptor(path, descriptor)
        return
    try:
        if path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder")
        target = path.resolve()
        if not target.parent.is_dir():
            raise InputError(f"cannot write {path}: there is no folder {target.parent}")
        there = target.exists()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise InputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
    if there and not os.access(target, os.W_OK):
        raise InputError(f"cannot write {path}: it may not be written to")
    if not passes_on(path) and not os.access(target.parent, os.W_OK):
        raise InputError(f"cannot write {path}: {target.parent} may not be written to")


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would turn every 10 into 13, 10


def _descriptor_of(path: Path) -> int | None:
    name = path.as_posix()
    if name in _NAMED_DESCRIPTORS:
        return _NAMED_DESCRIPTORS[name]
    numbered = _DESCRIPTOR.fullmatch(name)
    return int(numbered[1] or numbered[2]) if numbered else None


def _check_descriptor(path: Path, descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError as error:
        raise InputError(f"cannot write {_shown(path)}: it is closed") from error
    if os.isatty(descriptor):
        raise InputError(
            f"cannot write {_shown(path)}: it is a terminal; send it to a file or a program: ... > out.wav"
        )


def _open_to_pass_on(path: Path) -> int:
    descriptor = _descriptor_of(path)
    if descriptor is None:
        return os.open(path, os.O_WRONLY | os.O_NOCTTY | _BINARY)
    if sys.stdout is not None and descriptor == 1:
        sys.stdout.flush()
    return os.dup(descriptor)


def _shown(path: Path) -> str:
    return "standard output" if path == STANDARD_OUTPUT else str(path)
