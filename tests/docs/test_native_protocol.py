"""The page for authors of clients says what the code does."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from voiceagent.adapters.native import websocket
from voiceagent.audio.formats import ENCODINGS, OPUS_RATES_HZ, SAMPLE_RATES_HZ
from voiceagent.protocol import commands, events, wire
from voiceagent.settings.serve import ServeConfig

PAGE = (Path(__file__).parents[2] / "docs" / "native-protocol.md").read_text(encoding="utf-8")
COMMANDS = {command.type: command for command in get_args(commands.Command)}
EVENTS = {event.type: event for event in get_args(events.Event) if event is not events.Audio}
# Messages as the reference lists them, by heading.
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def messages(section: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in re.findall(r"^(?:[<>] )?(\{.*\})$", SECTIONS[section], re.M)]


def test_every_message_is_there_with_every_field() -> None:
    for section, known in (("Commands", COMMANDS), ("Events", EVENTS)):
        listed = {message.pop("type"): message for message in messages(section)}
        assert set(listed) == set(known)
        for kind, message in listed.items():
            named = {field.name for field in dataclasses.fields(known[kind])}
            assert set(message) - {"voices_url"} == named, kind


def test_every_message_on_the_page_is_one() -> None:
    for section in ("A session", "Commands", "Events"):
        for message in messages(section):
            text = json.dumps(message)
            if message["type"] in COMMANDS:
                assert wire.decode_command(text).type == message["type"]
            else:
                event = wire.decode_event(text)
                assert event is not None
                assert event.type == message["type"]


def test_the_defaults_of_start_are_those_of_the_page() -> None:
    (start,) = [message for message in messages("Commands") if message["type"] == "start"]
    assert wire.decode_command(json.dumps(start)) == commands.Start("u1")
    assert json.loads(wire.encode_command(commands.Start("u1"))) == start


def test_limits_and_formats_are_those_of_the_page() -> None:
    ready = messages("A session")[0]
    assert ready["formats"] == list(ENCODINGS)
    assert ready["sample_rates"] == list(SAMPLE_RATES_HZ)
    config = ServeConfig()
    assert ready["resume_window_ms"] == config.resume_window_s * 1000
    assert ready["limits"] == {"max_text_buffer": config.limits.max_text_buffer, "max_open": config.limits.max_open}
    assert ", ".join(map(str, OPUS_RATES_HZ)) in PAGE
    assert (config.send_stall_s, config.idle_timeout_s, config.max_message_bytes) == (60, 300, 256 * 1024)
    assert config.resume_max_bytes == 4 * 1024 * 1024


@pytest.mark.parametrize(
    "name", [name for name in vars(websocket) if re.fullmatch(r"CLOSE_(?!ABNORMAL|TIMEOUT)\w+", name)]
)
def test_every_close_code_is_explained(name: str) -> None:
    assert re.search(rf"^\| {getattr(websocket, name)} \|", PAGE, re.M)
