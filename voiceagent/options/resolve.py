"""Options as a client gives them to options as the engine wants them: a voice of ours, and a language that it
speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from voiceagent.options import SpeakOptions
from voiceagent.options.blends import parse_blend
from voiceagent.options.languages import check_language, language_code
from voiceagent.options.vendor_voices import our_voice


def resolve(options: SpeakOptions, here: Sequence[str], names: Mapping[str, str] | None = None) -> SpeakOptions:
    """The options with a voice or a blend of those that are `here`, and with the code of a language that it speaks.

    Raises:
        UnknownVoice: there is no such voice.
        InputError: it is no blend, or does not speak this language.
    """
    voice = our_voice(options.voice, here, names)
    shares = {voice: 1.0} if voice in here else parse_blend(voice)
    return replace(options, voice=voice, language=check_language(language_code(options.language), shares, here))
