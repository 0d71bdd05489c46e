"""The speech policy as a setting: of a service, an agent, a command, an utterance."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from support.fakes import FakeEngine
from typer.testing import CliRunner

from voiceagent.agent import VoiceAgent
from voiceagent.cli.commands import app
from voiceagent.errors import ConfigError, InputError, ProtocolError
from voiceagent.protocol import commands
from voiceagent.protocol.wire import decode_command, encode_command
from voiceagent.session.chunkers import chunker_with
from voiceagent.settings.policy import Setting, SpeechPolicy, load_policy
from voiceagent.settings.serve import load_serve_config

SERVE = Path(__file__).parents[2] / "configs" / "serve.toml"
TEXT = "See the 🎉 there. ```x``` "


def test_serve_toml_has_every_key_with_its_default() -> None:
    section = tomllib.loads(SERVE.read_text(encoding="utf-8"))["speech"]
    assert section == {field.name: field.default for field in fields(SpeechPolicy)}
    assert load_policy(SERVE) == load_serve_config(SERVE).speech == SpeechPolicy()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[speech]\nemojis = "skip"', "unknown key .*emojis.*valid keys: .*emoji"),
        ('[speech]\nemoji = "names"', "emoji"),
        ("[speech]\nlist_numbers = 1", "list_numbers"),
        ("speech = 3", "speech"),
        ("[speech", "not TOML"),
    ],
)
def test_bad_sections_name_the_fix(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_policy(path)
    with pytest.raises(ConfigError):
        load_serve_config(path)


def test_a_phrase_has_an_end() -> None:
    with pytest.raises(ValueError, match="more than 200 characters"):
        SpeechPolicy(code_phrase="x" * 201)


@pytest.mark.parametrize(
    ("speech", "expected"),
    [
        (None, ["See the there.", "Nothing."]),
        ({"emoji": "name"}, ["See the party popper there.", "Nothing."]),
        ({"code_block": "skip"}, ["See the there."]),
    ],
)
def test_an_utterance_changes_what_the_service_says(speech: dict[str, Setting] | None, expected: list[str]) -> None:
    make_chunker = chunker_with(None, SpeechPolicy(code_phrase="Nothing."))
    chunker = make_chunker(speech)
    assert [chunk.spoken for chunk in chunker.feed(TEXT) + chunker.end() if chunk.spoken] == expected


def test_the_start_command_carries_changes_and_checks_them() -> None:
    start = commands.Start("u1", speech={"emoji": "name", "list_numbers": False})
    assert decode_command(encode_command(start)) == start
    for speech in ('{"emoji": "loud"}', '{"emojis": "name"}', '{"list_numbers": "no"}', '{"emoji": 3}', "[1]"):
        with pytest.raises(ProtocolError, match=r"speech|emoji|list_numbers"):
            decode_command(f'{{"type": "start", "id": "u1", "speech": {speech}}}')


def test_other_languages_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'de' is not spoken; languages here: en \(English\)"):
        commands.Start("u1", language="de")


async def test_an_agent_has_a_policy_and_an_utterance_may_change_it() -> None:
    async with VoiceAgent(FakeEngine(threaded=True), policy=SpeechPolicy(emoji="name")) as agent:
        assert len((await agent.say("🎉")).samples) > 0
        assert len((await agent.say("🎉", speech={"emoji": "skip"})).samples) == 0
        with pytest.raises(InputError, match="choices: skip, name"):
            await agent.say("Hi.", speech={"emoji": "loud"})
        assert len((await agent.say("🎉")).samples) > 0


def test_the_text_command_takes_a_policy(tmp_path: Path) -> None:
    policy, text = tmp_path / "policy.toml", tmp_path / "text.txt"
    policy.write_text('emoji = "name"\n', encoding="utf-8")
    text.write_text("So 🎉 it is.", encoding="utf-8")
    shown = CliRunner().invoke(app, ["text", str(text), "--policy", str(policy)])
    assert shown.exit_code == 0
    assert "party popper" in shown.output
    policy.write_text('emoji = "loud"\n', encoding="utf-8")
    refused = CliRunner().invoke(app, ["text", str(text), "--policy", str(policy)])
    assert refused.exit_code == 2
    assert "choices: skip, name" in refused.output
