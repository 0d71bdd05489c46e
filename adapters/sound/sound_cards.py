"""The sound cards of this machine, as PortAudio has them: which there are, which is meant, and streams to and from one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from voiceagent.errors import AudioDeviceError
from voiceagent.errors.extras import install_hint

Direction = Literal["input", "output"]
_PURPOSE = {"output": "play", "input": "record"}


def load_sounddevice() -> Any:
    """The sounddevice module.

    Raises:
        AudioDeviceError: it, or the PortAudio library below it, is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise AudioDeviceError(f"no sounddevice package: {install_hint('local')}") from error
    except OSError as error:
        raise AudioDeviceError("no PortAudio library: apt-get install libportaudio2") from error
    return sounddevice


@dataclass(frozen=True, slots=True)
class Device:
    """A sound card as PortAudio sees it."""

    index: int
    name: str
    own_rate_hz: int


def devices(sounddevice: Any, direction: Direction) -> list[Device]:
    """Every device that can play, or record."""
    rows = enumerate(sounddevice.query_devices())
    return [_device(index, row) for index, row in rows if row[f"max_{direction}_channels"] > 0]


def choose(sounddevice: Any, direction: Direction, wanted: str | None = None) -> Device:
    """The device to use.

    Args:
        wanted: its number, or a part of its name that no other device has; None is the system's default.

    Raises:
        AudioDeviceError: there is none, or no such one.
    """
    try:
        if wanted is None:
            row = sounddevice.query_devices(kind=direction)
        else:
            row = sounddevice.query_devices(int(wanted) if wanted.isdecimal() else wanted, kind=direction)
    except (ValueError, sounddevice.PortAudioError) as error:
        raise AudioDeviceError(_not_found(sounddevice, direction, wanted)) from error
    return _device(row["index"], row)


def _device(index: int, row: Any) -> Device:
    return Device(index, str(row["name"]), round(row["default_samplerate"]))


def _not_found(sounddevice: Any, direction: Direction, wanted: str | None) -> str:
    if wanted is None:
        return f"no sound card that can {_PURPOSE[direction]}: connect one"
    try:
        here = ", ".join(f"{device.index} {device.name!r}" for device in devices(sounddevice, direction))
    except sounddevice.PortAudioError:
        here = ""
    return f"no sound card {wanted!r} that can {_PURPOSE[direction]}: choose among {here or 'none here'}"


def open_stream(sounddevice: Any, direction: Direction, device: Device, rate_hz: int, callback: Any) -> Any:
    """A mono float32 stream, at `rate_hz` or, where the card refuses that, at its own rate; not started.

    Raises:
        AudioDeviceError: the card cannot be opened.
    """
    stream = sounddevice.OutputStream if direction == "output" else sounddevice.InputStream
    options = {"device": device.index, "channels": 1, "dtype": "float32", "latency": "low", "callback": callback}
    try:
        return stream(samplerate=rate_hz, **options)
    except sounddevice.PortAudioError as refusal:
        if device.own_rate_hz == rate_hz:
            raise AudioDeviceError(f"{device.name!r} does not {_PURPOSE[direction]}: {refusal}") from refusal
    try:
        return stream(samplerate=device.own_rate_hz, **options)
    except sounddevice.PortAudioError as error:
        raise AudioDeviceError(f"{device.name!r} does not {_PURPOSE[direction]}: {error}") from error


def start(sounddevice: Any, direction: Direction, device: Device, stream: Any) -> None:
    """Starts a stream, or closes it.

    Raises:
        AudioDeviceError: the card does not start.
    """
    try:
        stream.start()
    except sounddevice.PortAudioError as error:
        stream.close()
        raise AudioDeviceError(f"{device.name!r} does not {_PURPOSE[direction]}: {error}") from error


def end(stream: Any) -> None:
    """Closes a stream. Stopped first: closing one that runs cancels its thread wherever that may be, in Python for example."""
    stream.stop()
    stream.close()
