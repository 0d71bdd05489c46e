"""Names of other services' voices, and the voice of ours that answers to each: `alloy`, `rachel`, `aura-2-thalia-en`.

`vendor_voices.tsv` has the names that their clients have built in; settings can add others. Which of our stock voices
is the nearest was chosen by sex, accent and description, not by ear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from voiceagent.errors import ConfigError, InputError, UnknownVoice
from voiceagent.options.blends import check_voice, is_voice
from voiceagent.options.languages import stock_facts

__all__ = ["VendorVoice", "check_names", "our_voice", "vendor_voices"]

_AURA: Final = re.compile(r"aura(?:-\d+)?-(?P<name>\w+)-(?P<language>[a-z]{2})", re.IGNORECASE | re.ASCII)
_FIRST: Final = {"female": "heart", "male": "joe"}  # of the voices that are rows of the weights


class VendorVoice(NamedTuple):
    """A voice of another service.

    id: what their interface calls it where that is not its name. ours: the stock voice that is nearest.
    """

    vendor: str
    name: str
    id: str
    language: str
    sex: str
    ours: str


@cache
def vendor_voices() -> tuple[VendorVoice, ...]:
    """All that are known, by vendor."""
    table = (resources.files(__package__) / "vendor_voices.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    sexes = {"f": "female", "m": "male"}
    return tuple(
        VendorVoice(vendor, name, id_, language, sexes[sex], ours) for vendor, name, id_, language, sex, ours in rows
    )


@cache
def _by_name() -> dict[str, VendorVoice]:
    rows = vendor_voices()
    aura = {f"aura-2-{row.name}-{row.language}": row for row in rows if row.vendor == "Deepgram"}
    return aura | {row.name: row for row in rows} | {row.id: row for row in rows if row.id}


def our_voice(asked: str, here: Sequence[str], names: Mapping[str, str] | None = None) -> str:
    """The voice of ours that is meant: one of that name or a blend, what the settings say, or the one that is nearest a
    vendor's.

    Args:
        here: the voices that there are.
        names: what further names mean; a voice that is here is never hidden by one.

    Raises:
        UnknownVoice: none is meant.
        InputError: it is no name and no blend.
    """
    if is_voice(asked, here):
        return asked
    if names and (meant := names.get(asked) or names.get(asked.lower())):
        return our_voice(meant, here)
    aura = _AURA.fullmatch(asked)
    if aura is not None and aura["name"].lower() in here:
        return aura["name"].lower()
    theirs = _by_name().get(asked) or _by_name().get(f"aura-2-{aura[1]}-{aura[2]}".lower() if aura else asked.lower())
    found = _stand_in(theirs, here) if theirs is not None else None
    if found is None:
        if asked.strip():
            check_voice(asked, here)
        raise UnknownVoice(asked, here)
    return found


def _stand_in(theirs: VendorVoice, here: Sequence[str]) -> str | None:
    """The nearest voice that is here: the one chosen, else one of that sex, else the first; None: none speaks the
    language.
    """
    able = [name for name in here if stock_facts(name)[0] == theirs.language]
    alike = [name for name in able if stock_facts(name)[1] == theirs.sex]
    wanted = (theirs.ours, *([_FIRST[theirs.sex]] if theirs.language == "en" else []), *alike, *able)
    return next((name for name in wanted if name in here), None)


def check_names(names: Mapping[str, str], here: Sequence[str]) -> None:
    """Refuse names of the settings whose voice is not here.

    Raises:
        ConfigError: one is not.
    """
    for name, meant in names.items():
        try:
            our_voice(meant, here)
        except (UnknownVoice, InputError) as error:
            raise ConfigError(f"voice_names: {name!r} means {meant!r}: {error}") from error
