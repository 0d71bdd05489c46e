"""Names of other services' voices mean one of ours, at every door alike; docs/speakers.md has the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import FakeEngine
from support.session_client import Client

from voiceagent.adapters.deepgram import messages as deepgram
from voiceagent.adapters.elevenlabs import messages as elevenlabs
from voiceagent.adapters.mqtt.sites import Sites
from voiceagent.adapters.openai import messages as openai
from voiceagent.errors import ConfigError, InputError, UnknownVoice, VoiceAgentError
from voiceagent.options import is_voice
from voiceagent.options.vendor_voices import VendorVoice, check_names, our_voice, vendor_voices
from voiceagent.protocol import commands, events

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "speakers.md").read_text(encoding="utf-8")
SHIPPED = ("heart", "joe")
STOCK = (*SHIPPED, *sorted({voice.ours for voice in vendor_voices()}))
NAMES = {"receptionist": "0.6*heart + 0.4*joe", "aura-2-newest-en": "alloy"}
ENGLISH = [voice for voice in vendor_voices() if voice.language == "en"]


def spellings(voice: VendorVoice) -> list[str]:
    """How a client may ask for it."""
    aura = [f"aura-2-{voice.name}-{voice.language}", f"aura-{voice.name}-{voice.language}"]
    ids = [voice.id] if voice.id else []
    return [
        voice.name,
        voice.name.capitalize(),
        voice.name.upper(),
        *ids,
        *(aura if voice.vendor == "Deepgram" else []),
    ]


@pytest.mark.parametrize("voice", vendor_voices(), ids=lambda voice: f"{voice.vendor}-{voice.name}")
def test_every_spelling_of_a_name_means_the_voice_that_the_page_says(voice: VendorVoice) -> None:
    asked = {"OpenAI": voice.name, "ElevenLabs": voice.id, "Deepgram": f"aura-2-{voice.name}-{voice.language}"}
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{asked[voice.vendor]}`")]
    _, _, stock, shipped, _ = (cell.strip().strip("`") for cell in row.split("|"))
    assert stock == voice.ours
    for spelling in spellings(voice):
        assert our_voice(spelling, STOCK) == stock
        if voice.language == "en":
            assert our_voice(spelling, SHIPPED) == shipped == {"female": "heart", "male": "joe"}[voice.sex]
        else:
            assert shipped == "refused"
            with pytest.raises(UnknownVoice, match="voices here: heart, joe"):
                our_voice(spelling, SHIPPED)


def test_the_page_has_no_name_that_is_not_known() -> None:
    rows = re.findall(r"^\| `([^`]+)`.*\| (?:`heart`|`joe`|refused) \|$", PAGE, re.MULTILINE)
    assert len(rows) == len(set(rows)) == len(vendor_voices())


def test_no_name_means_two_voices_and_none_hides_a_stock_voice() -> None:
    asked = [
        spelling.lower() for voice in vendor_voices() for spelling in {*spellings(voice)[:1], *spellings(voice)[3:]}
    ]
    assert len(asked) == len(set(asked))
    assert not set(asked) & set(STOCK)


DOORS = {
    "deepgram": lambda voice: deepgram.our_voice(voice, SHIPPED, NAMES),
    "elevenlabs": lambda voice: elevenlabs.our_voice(voice, SHIPPED, NAMES, reason="voice_not_found"),
    "openai": lambda voice: openai.our_voice(voice, SHIPPED, NAMES),
    "session": lambda voice: spoken_by(voice),
}


def spoken_by(voice: str) -> str:
    """The voice that the engine was asked for, through a session as every door has it.

    Raises:
        VoiceAgentError: it was refused.
    """
    client = Client(FakeEngine(), voice_names=NAMES)
    client.feed(commands.Start("u", voice=voice))
    for event in client.take():
        if isinstance(event, events.Error):
            raise VoiceAgentError(event.message)
    return client.engine.options[1].voice


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("asked", "ours"),
    [
        ("alloy", "heart"), ("onyx", "joe"), ("Rachel", "heart"), ("JBFqnCBsd6RMkjVDRZzb", "joe"), ("aura-2-zeus-en", "joe"),
        ("receptionist", NAMES["receptionist"]), ("Receptionist", NAMES["receptionist"]), ("aura-2-newest-en", "heart"),
        ("joe", "joe"), ("aura-2-joe-en", "joe"),
    ],
)  # fmt: skip
def test_all_doors_know_all_names(door: str, asked: str, ours: str) -> None:
    assert DOORS[door](asked) == ours


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "asked", ["nobody", "", "aura-2-nobody-en", "aura-2-celeste-es", "alloy,onyx", "gpt-4o", "x" * 5_000]
)
def test_an_unknown_name_is_refused_in_one_line_that_lists_names(door: str, asked: str) -> None:
    with pytest.raises(Exception, match=r"heart, joe") as refused:
        DOORS[door](asked)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("door", "some"), [("deepgram", "aura-2-thalia-en"), ("elevenlabs", "Rachel"), ("openai", "alloy, ash")]
)
def test_a_vendors_door_lists_the_vendors_names_and_those_of_the_settings(door: str, some: str) -> None:
    with pytest.raises(Exception, match=re.escape(some)) as refused:
        DOORS[door]("nobody")
    assert "receptionist" in str(refused.value)
    assert "-es" not in str(refused.value)  # nobody here speaks Spanish


def test_a_site_takes_such_a_name() -> None:
    sites = Sites(max_waiting=4)
    sites.choose("kitchen", "voice", "receptionist", SHIPPED, NAMES)
    assert sites.defaults("kitchen") == {"voice": "receptionist"}
    with pytest.raises(VoiceAgentError, match="receptionist"):
        sites.choose("kitchen", "voice", "nobody", SHIPPED, NAMES)


def test_a_voice_that_is_here_is_hidden_by_no_name() -> None:
    assert our_voice("joe", SHIPPED, {"joe": "heart"}) == "joe"
    assert our_voice("alloy", ("alloy", "heart")) == "alloy"
    assert our_voice("alloy", SHIPPED, {"alloy": "joe"}) == "joe"


@pytest.mark.parametrize("meant", ["nobody", "0.5*heart + 0.6*joe", "0.5*heart + 0.5*nobody", ""])
def test_a_name_of_the_settings_that_means_nobody_is_an_error_at_once(meant: str) -> None:
    with pytest.raises(ConfigError, match="voice_names: 'x' means"):
        check_names({"x": meant}, SHIPPED)


@given(st.text(max_size=40), st.lists(st.sampled_from(STOCK), min_size=1, max_size=6, unique=True))
def test_whatever_is_asked_for_a_voice_that_is_here_answers_or_it_is_refused(asked: str, here: list[str]) -> None:
    try:
        answers = our_voice(asked, here)
    except (UnknownVoice, InputError):
        return
    assert is_voice(answers, here)


@given(
    st.sampled_from(ENGLISH), st.lists(st.sampled_from([v.ours for v in ENGLISH] + ["heart"]), min_size=1, unique=True)
)
def test_an_english_name_never_fails_where_english_is_spoken(voice: VendorVoice, here: list[str]) -> None:
    assert our_voice(voice.name, here) in here
