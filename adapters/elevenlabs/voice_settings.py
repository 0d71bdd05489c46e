"""ElevenLabs' `voice_settings` as our voices have them; docs/elevenlabs.md shows the table."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from voiceagent.options import LIVELINESS_MAX


class VoiceSettings(msgspec.Struct, frozen=True):
    """As a client sends them. A field that is left out changes nothing."""

    stability: float | None = None
    similarity_boost: float | None = None
    style: float | None = None
    use_speaker_boost: bool | None = None
    speed: float | None = None

    def manner(self) -> Manner:
        """What they come to.

        Raises:
            ValueError: a value is out of range.
        """
        for name in ("stability", "similarity_boost", "style"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} {value} is not within 0 and 1")
        liveliness = 1.0 if self.stability is None else 1.5 - self.stability
        liveliness += 0.5 * (self.style or 0.0)
        without = [name for name in ("similarity_boost", "use_speaker_boost") if getattr(self, name)]
        return Manner(
            1.0 if self.speed is None else self.speed,
            min(liveliness, LIVELINESS_MAX),
            f"voice_settings: no meaning here: {', '.join(without)}" if without else "",
        )


@dataclass(frozen=True, slots=True)
class Manner:
    """How settings are followed.

    notice: what of them is not, or "".
    """

    speed: float = 1.0
    liveliness: float = 1.0
    notice: str = ""
