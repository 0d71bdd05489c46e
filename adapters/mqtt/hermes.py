"""The Hermes topics of Rhasspy and Snips: a text comes, a whole WAV file goes to the site's audio server.

    hermes/tts/say {text, siteId, id, sessionId, lang, volume}
        -> hermes/audioServer/SITE/playBytes/ID      the WAV
        -> hermes/tts/sayFinished                    when it has been played
        -> hermes/error/tts                          before sayFinished, where nothing can be spoken
    rhasspy/tts/getVoices -> rhasspy/tts/voices

Keys come as siteId and sessionId or, from Rhasspy's own command, as site_id and session_id; an answer spells them as its
request did, because that command takes no other.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import uuid
import wave
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from unicodedata import category

import aiomqtt
import numpy as np

from voiceagent.adapters.mqtt.link import Link
from voiceagent.adapters.mqtt.messages import LEVEL_CHARS, Outgoing, properties
from voiceagent.audio.encoders import StreamEncoder
from voiceagent.audio.formats import AudioFormat
from voiceagent.errors import NoCapacity, ProtocolError, SynthesisError, VoiceAgentError
from voiceagent.options import AUTO
from voiceagent.protocol import commands, events
from voiceagent.protocol.wire import json_object
from voiceagent.service.service import Service
from voiceagent.settings.serve import MqttConfig

SAY, SAID, FAILED = "hermes/tts/say", "hermes/tts/sayFinished", "hermes/error/tts"
GET_VOICES, VOICES = "rhasspy/tts/getVoices", "rhasspy/tts/voices"
AUDIO = "hermes/audioServer"
# A player that says nothing is believed to be done this much after the length of the sound.
PLAYER_SLACK_S = 0.5
WAV_EXPIRY_S = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Say:
    """A request of a Hermes device."""

    text: str
    site: str
    id: str | None
    session: str | None
    language: str
    volume: float
    snake: bool
    """Its keys are spelt site_id, session_id."""

    def answer(self, **more: Any) -> bytes:
        """An answer in the spelling of the request."""
        site, session = ("site_id", "session_id") if self.snake else ("siteId", "sessionId")
        return json.dumps({**more, site: self.site, session: self.session}).encode()


class Hermes:
    """Speaks for Hermes devices.

    Args:
        start: runs work under a name, and survives its failing.
    """

    def __init__(
        self,
        service: Service,
        settings: MqttConfig,
        link: Link,
        start: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._service = service
        self._format = AudioFormat(sample_rate=settings.format.sample_rate)
        self._max_open = settings.max_waiting
        self._link = link
        self._start = start
        self._open = 0
        self._playing: dict[tuple[str, str], asyncio.Event] = {}

    def topics(self, group: str) -> list[str]:
        """What to subscribe to; of all agents one gets a request."""
        return [f"{group}/{SAY}", f"{group}/{GET_VOICES}", f"{AUDIO}/+/playFinished"]

    def take(self, message: aiomqtt.Message) -> None:
        """Takes a message of these topics."""
        if message.retain:
            return
        match str(message.topic).split("/"):
            case ["hermes", "tts", "say"]:
                self._start(self._answer(bytes(message.payload)), "hermes.say")
            case ["rhasspy", "tts", "getVoices"]:
                self._start(self._tell_voices(bytes(message.payload)), "hermes.voices")
            case ["hermes", "audioServer", site, "playFinished"]:
                self._note_played(site, bytes(message.payload))

    async def _answer(self, payload: bytes) -> None:
        try:
            say = read_say(payload)
        except ProtocolError as error:
            await self._link.tell([Outgoing(FAILED, json.dumps({"error": str(error)}).encode(), qos=1)])
            return
        self._open += 1
        try:
            if self._open > self._max_open:
                raise NoCapacity(f"{self._max_open} texts are being spoken already; ask again later")
            samples = await self._speak(say)
            await self._play(say, samples)
        except aiomqtt.MqttError:
            pass  # the broker went away: played later, it would be stale
        except Exception as error:
            if not isinstance(error, VoiceAgentError):
                log.exception("a text for %s failed", say.site)
                error = SynthesisError("the service failed; ask again")
            failure = say.answer(error=str(error), context=say.id)
            await self._link.tell([Outgoing(FAILED, failure, qos=1)])
        finally:
            self._open -= 1
        # Devices wait for this one whatever happened.
        await self._link.tell([Outgoing(SAID, say.answer(id=say.id), qos=1)])

    async def _speak(self, say: Say) -> bytes:
        """16-bit samples of the whole text.

        Raises:
            VoiceAgentError: it cannot be spoken.
        """
        live = self._service.connect(paced=False)
        encoder, audio = StreamEncoder(self._format), bytearray()
        try:
            live.handle(_start_of(say, self._format))
            text = commands.Text("say", say.text)
            if not live.has_room(text):
                raise ProtocolError(f"a text has at most {self._service.config.limits.max_text_buffer} characters")
            live.handle(text)
            live.handle(commands.End("say"))
            while (event := await live.next_event()) is not None:
                self._service.metrics.observe(event)
                match event:
                    case events.Audio():
                        audio += encoder.encode(event.samples, last=event.last)
                    case events.Error():
                        raise ProtocolError(event.message, code=event.code)
                    case events.Done():
                        return bytes(audio)
            raise SynthesisError("the service is closing")
        finally:
            live.close()

    async def _play(self, say: Say, samples: bytes) -> None:
        request = say.id or uuid.uuid4().hex
        wav = to_wav(samples, self._format.sample_rate, say.volume)
        played = self._playing[say.site, request] = asyncio.Event()
        try:
            made = properties(expiry_s=WAV_EXPIRY_S, content_type="audio/wav")
            await self._link.publish(Outgoing(f"{AUDIO}/{say.site}/playBytes/{request}", wav, qos=1, properties=made))
            async with asyncio.timeout(len(samples) / 2 / self._format.sample_rate + PLAYER_SLACK_S):
                await played.wait()
        except TimeoutError:
            pass  # most players say nothing
        finally:
            self._playing.pop((say.site, request), None)

    def _note_played(self, site: str, payload: bytes) -> None:
        try:
            played = json_object(payload)
        except ProtocolError:
            return
        waiting = self._playing.get((site, str(played.get("id"))))
        if waiting is not None:
            waiting.set()

    async def _tell_voices(self, payload: bytes) -> None:
        try:
            asked = json_object(payload or b"{}")
        except ProtocolError:
            asked = {}
        snake = "site_id" in asked
        key = "voice_id" if snake else "voiceId"
        voices = [{key: voice, "description": voice.capitalize()} for voice in self._service.engine.voices]
        site = asked.get("site_id" if snake else "siteId", "default")
        answer = {"voices": voices, "id": asked.get("id"), "site_id" if snake else "siteId": site}
        await self._link.tell([Outgoing(VOICES, json.dumps(answer).encode(), qos=1)])


def read_say(payload: bytes) -> Say:
    """The request in a message.

    Raises:
        ProtocolError: not one.
    """
    fields = json_object(payload, SAY)
    if not isinstance(fields.get("text"), str):
        raise ProtocolError(f"{SAY}: a JSON object with `text` is needed")
    snake = "site_id" in fields or "session_id" in fields
    site = fields.get("site_id" if snake else "siteId") or "default"
    session = fields.get("session_id" if snake else "sessionId")
    id_, language, volume = fields.get("id"), fields.get("lang") or AUTO, fields.get("volume")
    if not _is_level(site):
        raise ProtocolError(f"{SAY}: a site {_LEVEL}")
    if id_ is not None and not _is_level(id_):
        raise ProtocolError(f"{SAY}: an id {_LEVEL}")
    if not isinstance(session, str | None) or not isinstance(language, str):
        raise ProtocolError(f"{SAY}: session and language are texts")
    if volume is None:
        volume = 1.0
    if not isinstance(volume, int | float) or not math.isfinite(volume) or not 0 <= volume <= 1:
        raise ProtocolError(f"{SAY}: a volume is within 0 and 1")
    return Say(fields["text"], site, id_ or None, session, language.replace("_", "-"), float(volume), snake)


_LEVEL = f"is a text of at most {LEVEL_CHARS} characters, without / + # or control characters"


def _is_level(value: object) -> bool:
    """Whether it can stand in a topic: brokers hang up on control characters, and half a character has no UTF-8."""
    if not isinstance(value, str) or len(value) > LEVEL_CHARS:
        return False
    return not any(character in "/+#" or category(character) in ("Cc", "Cn", "Cs") for character in value)


def _start_of(say: Say, audio_format: AudioFormat) -> commands.Start:
    try:
        return commands.Start("say", language=say.language, format=audio_format, timestamps="none")
    except ValueError as error:
        raise ProtocolError(str(error)) from error


def to_wav(samples: bytes, rate_hz: int, volume: float) -> bytes:
    """A WAV file of 16-bit samples, made quieter."""
    if volume != 1.0:
        samples = np.rint(np.frombuffer(samples, "<i2") * volume).astype("<i2").tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(samples)
    return file.getvalue()
