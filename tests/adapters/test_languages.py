"""`language` at every door: what clients write is understood, and a voice is never made to speak what it cannot."""

from __future__ import annotations

import httpx
import pytest
from support.fakes import FakeEngine
from support.loopback import running
from support.session_client import Client

from voiceagent.adapters.openai.messages import OpenAIRefusal, decode_request
from voiceagent.errors import InputError, UnknownVoice
from voiceagent.options import LANGUAGES, SpeakOptions
from voiceagent.options.languages import check_language, language_code, reading_of
from voiceagent.options.resolve import resolve
from voiceagent.protocol import commands, events
from voiceagent.session.chunkers import default_chunker

SHIPPED = ("heart", "joe")
MANY = (*SHIPPED, "af_bella", "bm_george", "zf_xiaoxiao", "ef_dora", "ff_siwis", "if_sara", "pf_dora", "hf_alpha")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("en", "en"), ("en-US", "en"), ("en_GB", "en"), ("EN", "en"), ("English", "en"), ("zh", "zh"), ("zh-Hans-CN", "zh"),
        ("zh_TW", "zh"), ("cmn", "zh"), ("Mandarin", "zh"), ("es-419", "es"), ("fr-CA", "fr"), ("ita", "it"), ("pt_BR", "pt"),
        ("auto", "auto"), ("", "auto"), (" fr ", "fr"),
    ],
)  # fmt: skip
def test_what_clients_write(written: str, code: str) -> None:
    assert language_code(written) == code
    assert commands.Start("u", language=written).options.language == code


@pytest.mark.parametrize("written", ["de", "tlh", "e", "english please", "zz-ZZ", "en;drop", "中文"])
def test_what_nobody_speaks_is_one_line_with_all_there_are(written: str) -> None:
    with pytest.raises(ValueError, match="is not spoken; languages here") as refused:
        language_code(written)
    assert "\n" not in str(refused.value)
    assert all(name in str(refused.value) for name in LANGUAGES.values())


@pytest.mark.parametrize(
    ("voice", "language", "spoken"),
    [
        ("heart", "auto", "en"), ("joe", "en", "en"), ("zf_xiaoxiao", "auto", "zh"), ("zf_xiaoxiao", "zh-CN", "zh"),
        ("ef_dora", "auto", "es"),
        ("0.6*zf_xiaoxiao + 0.4*heart", "auto", "zh"), ("0.6*heart + 0.4*zf_xiaoxiao", "en", "en"), ("alloy", "en-US", "en"),
        ("aura-2-celeste-es", "es", "es"), ("aura-2-agathe-fr", "auto", "fr"),
    ],
)  # fmt: skip
def test_the_voice_decides_where_nothing_is_said(voice: str, language: str, spoken: str) -> None:
    assert resolve(SpeakOptions(voice, language=language), MANY).language == spoken


@pytest.mark.parametrize(("voice", "language"), [("heart", "zh"), ("zf_xiaoxiao", "en"), ("0.5*heart + 0.5*joe", "fr")])
def test_a_voice_does_not_speak_another_language(voice: str, language: str) -> None:
    with pytest.raises(
        InputError, match=rf"speaks \w+, not {LANGUAGES[language]}; voices that speak it: \w+"
    ) as refused:
        resolve(SpeakOptions(voice, language=language), MANY)
    assert "\n" not in str(refused.value)
    with pytest.raises((InputError, UnknownVoice), match=r"none of the voices here|voices here: heart, joe"):
        resolve(SpeakOptions(voice, language=language), SHIPPED)


def test_a_language_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be read here"):
        check_language("auto", {"hf_alpha": 1.0}, MANY)


def test_the_session_says_so_to_the_client() -> None:
    client = Client(FakeEngine())
    client.feed(commands.Start("u", language="zh"))
    (error,) = [event for event in client.take() if isinstance(event, events.Error)]
    assert error.code == "bad_input"
    assert "heart speaks English, not Mandarin" in error.message
    assert not client.engine.live


def test_openai_takes_a_language_too() -> None:
    request = {"input": "Hi.", "model": "m", "voice": "alloy", "language": "en-GB"}
    assert decode_request(request).start(SHIPPED, 100).options.language == "en"
    with pytest.raises(OpenAIRefusal, match="is not spoken"):
        decode_request({**request, "language": "tlh"}).start(SHIPPED, 100)


ASKED = {
    "openai language": (
        "/v1/audio/speech", {"input": "Hi.", "model": "m", "voice": "joe", "response_format": "pcm", "language": "zh"}, "joe",
    ),
    "elevenlabs language": (
        "/v1/text-to-speech/joe?output_format=pcm_24000", {"text": "Hi.", "language_code": "zh"}, "joe",
    ),
    "openai lexicon": ("/v1/audio/speech", {"input": "Hi.", "model": "m", "response_format": "pcm", "lexicon": "law"}, "law"),
    "deepgram lexicon": ("/v1/speak?lexicon=law", {"text": "Hi."}, "law"),
}  # fmt: skip


@pytest.mark.parametrize("door", ASKED)
def test_what_is_not_here_is_the_requests_fault_at_every_http_door(door: str) -> None:
    path, body, named = ASKED[door]
    with running(FakeEngine(threaded=True), make_chunker=default_chunker) as server:
        answer = httpx.post(server.http + path, json=body, trust_env=False)
    assert answer.status_code == 400
    assert named in answer.text
    assert "internal" not in answer.text.lower()


def test_british_voices_read_as_the_british_do() -> None:
    assert reading_of("en", "bm_george") == reading_of("auto", "0.7*bf_emma + 0.3*heart") == "en-GB"
    assert reading_of("en", "heart") == reading_of("auto", "0.7*af_bella + 0.3*bf_emma") == "en"
    assert reading_of("zh", "zf_xiaoxiao") == "zh"
