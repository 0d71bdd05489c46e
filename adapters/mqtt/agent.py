"""One process among those that share the work: it takes messages, decides whose they are, and lets them be spoken."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import aiomqtt
import msgspec

from voiceagent.adapters.mqtt import home_assistant
from voiceagent.adapters.mqtt.hermes import Hermes
from voiceagent.adapters.mqtt.link import OFFLINE, ONLINE, Link, end_if_cancelled
from voiceagent.adapters.mqtt.messages import (
    LEVEL_CHARS,
    Outgoing,
    Reply,
    agent_topic,
    event_messages,
    properties,
    read_piece,
    read_reply,
    read_request,
    site_topic,
)
from voiceagent.adapters.mqtt.sites import Sites, agent_of
from voiceagent.adapters.mqtt.speech import SiteUtterance
from voiceagent.errors import NoCapacity, ProtocolError, SynthesisError, TextBufferFull, VoiceAgentError
from voiceagent.protocol import commands, events
from voiceagent.service.service import Service
from voiceagent.settings.serve import MqttConfig

GROUP = "$share/voiceagent"
FAREWELL_S = 3.0
REFUSED = 0x80  # and above: reason codes of failure

log = logging.getLogger(__name__)


class Agent:
    """This process among those that share the work; it outlives its connections.

    Args:
        tasks: owns everything that it starts.
    """

    def __init__(self, service: Service, settings: MqttConfig, tasks: asyncio.TaskGroup) -> None:
        self.name = settings.agent or socket.gethostname().translate({ord(c): "-" for c in "/+#$"})
        self._service = service
        self._settings = settings
        self._tasks = tasks
        self._link = Link()
        self._sites = Sites(settings.max_waiting)
        self._agents = {self.name}
        self._hermes = Hermes(service, settings, self._link, self._start) if settings.hermes else None
        self._run = secrets.token_hex(4)
        self._count = 0

    # The connection.

    async def serve(self, client: aiomqtt.Client, on_ready: Callable[[], None]) -> None:
        """Serves over this connection until it is lost.

        Raises:
            aiomqtt.MqttError: it is lost.
        """
        self._agents = {self.name}
        for topic in self._topics():
            granted = await client.subscribe(topic, qos=1)
            if any(code.value >= REFUSED for code in granted if not isinstance(code, int)):
                log.error("the MQTT broker does not let us subscribe to %s: see its access control list", topic)
        await self._link.attach(client)
        await self._link.publish(Outgoing(agent_topic(self.name, "status"), ONLINE, qos=1, retain=True))
        for site in self._settings.sites:
            if not self._sites.at(site) and agent_of(site, self._agents) == self.name:
                await self._link.publish(Outgoing(site_topic(site, "state"), b"idle", qos=1, retain=True))
        await self._announce()
        on_ready()
        try:
            end_if_cancelled()
            async for message in client.messages:
                try:
                    self._take(message)
                except Exception:
                    log.exception("a message on %s could not be handled", message.topic)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError, aiomqtt.MqttError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._farewell()
            raise

    def _topics(self) -> list[str]:
        topics = [f"{GROUP}/{site_topic('+', verb)}" for verb in ("say", "request")]
        topics += [site_topic("+", *rest) for rest in (("command", self.name), ("stop",), ("voice",), ("speed",))]
        topics += [agent_topic("+", "status"), agent_topic(self.name, "for", "+", "+")]
        if self._settings.home_assistant:
            topics.append(f"{self._settings.discovery_prefix}/{home_assistant.STATUS}")
        if self._hermes is not None:
            topics += self._hermes.topics(GROUP)
        return topics

    def lost(self) -> None:
        """The connection is gone: what is being heard somewhere is over."""
        self._link.detach()
        for speech in self._sites:
            if speech.begun:
                speech.cancel("the connection to the broker was lost")

    async def _farewell(self) -> None:
        """In order: what is open is cancelled, and the broker told that nobody is here."""
        open_ = list(self._sites)
        for speech in open_:
            speech.cancel("the agent is being stopped")
        for speech in open_:
            await speech.over.wait()
        # A connection that is closed in order has no last will.
        await self._link.publish(Outgoing(agent_topic(self.name, "status"), OFFLINE, qos=1, retain=True))

    async def _announce(self) -> None:
        if self._settings.home_assistant:
            for site in self._settings.sites:
                voices, prefix = self._service.engine.voices, self._settings.discovery_prefix
                await self._link.publish(home_assistant.discovery(prefix, site, voices, self._agents))

    # Messages.

    def _take(self, message: aiomqtt.Message) -> None:
        """Takes a message at once: whatever takes longer becomes a task, so that no message waits for another."""
        levels = str(message.topic).split("/")
        if (longest := max(map(len, levels))) > LEVEL_CHARS:
            log.warning("a message was dropped: a name in its topic has %d characters, not %d", longest, LEVEL_CHARS)
            return
        match levels:
            case ["voiceagent", "v1", site, "say" | "request" as verb] if not message.retain:
                self._request(message, site, verb, passed_on=False)
            case ["voiceagent", "agents", self.name, "for", site, "say" | "request" as verb] if not message.retain:
                self._request(message, site, verb, passed_on=True)
            case ["voiceagent", "v1", site, "command", self.name] if not message.retain:
                self._command(message, site)
            case ["voiceagent", "v1", site, "stop"] if not message.retain:
                for speech in self._sites.at(site):
                    speech.cancel("stop")
            case ["voiceagent", "v1", site, "voice" | "speed" as what]:
                self._choose(site, what, bytes(message.payload))
            case ["voiceagent", "agents", agent, "status"]:
                self._note_agent(agent, online=message.payload == ONLINE)
            case _ if str(message.topic) == f"{self._settings.discovery_prefix}/{home_assistant.STATUS}":
                if message.payload == home_assistant.ONLINE.encode():
                    self._start(self._announce(), "announce")
            case _:
                if self._hermes is not None:
                    self._hermes.take(message)

    def _request(self, message: aiomqtt.Message, site: str, verb: str, *, passed_on: bool) -> None:
        reply = Reply(site)
        utterance: str | None = None
        try:
            reply = read_reply(message, site, self._settings.response_topics)
            if len(message.payload) > self._service.config.max_message_bytes:
                raise ProtocolError(f"a request has at most {self._service.config.max_message_bytes} bytes")
            generation = f"{self._run}-{self._count + 1}"
            request = read_request(message, reply, self._defaults(site, generation), plain=verb == "say")
            utterance, reply = request.start.id, request.reply
            owner = agent_of(site, self._agents)
            if reply.audio_at_site and owner != self.name and not passed_on:
                self._start(self._pass_on(message, agent_topic(owner, "for", site, verb), reply, utterance), "pass_on")
                return
            if not request.end and len(request.text) > self._service.config.limits.max_text_buffer:
                raise ProtocolError(
                    "the text is longer than what may wait: send it in pieces", code=TextBufferFull.code
                )
            self._sites.check(site, utterance, at_site=reply.audio_at_site)
        except VoiceAgentError as error:
            named = error.utterance if isinstance(error, ProtocolError) else None
            self._refuse(reply, named or utterance, error)
            return
        if request.start.preempt:
            for speech in self._sites.at(site):
                speech.cancel("preempted")
        self._count += 1
        command_topic = site_topic(site, "command", self.name)
        extra = {
            "agent": self.name,
            "command_topic": command_topic,
            "audio_topic": request.reply.audio_topic(generation),
        }
        speech = SiteUtterance(
            self._service,
            self._settings,
            self._link,
            request,
            generation=generation,
            stream=(self._count - 1) % 0xFFFF + 1,
            extra=extra,
        )
        self._sites.enter(speech)
        self._start(self._speak(speech), f"speech[{generation}]")

    def _defaults(self, site: str, generation: str) -> dict[str, Any]:
        """What a request means that does not say; its generation serves as its id."""
        return {
            "id": generation,
            "format": msgspec.to_builtins(self._settings.format),
            "max_ahead_ms": self._settings.max_ahead_ms,
            **self._sites.defaults(site),
        }

    async def _pass_on(self, message: aiomqtt.Message, topic: str, reply: Reply, utterance: str) -> None:
        kept = properties(
            expiry_s=getattr(message.properties, "MessageExpiryInterval", None),
            correlation=getattr(message.properties, "CorrelationData", None),
            response_topic=getattr(message.properties, "ResponseTopic", None),
        )
        try:
            await self._link.publish(Outgoing(topic, bytes(message.payload), qos=1, properties=kept))
        except aiomqtt.MqttError:
            self._refuse(reply, utterance, NoCapacity("the broker was lost with this request; ask again"))

    async def _speak(self, speech: SiteUtterance) -> None:
        try:
            await speech.run()
        except Exception:
            log.exception("utterance %s failed", speech.generation)
            self._refuse(speech.request.reply, speech.id, SynthesisError("the service failed; ask again"))
        finally:
            self._sites.leave(speech)

    def _command(self, message: aiomqtt.Message, site: str) -> None:
        reply = Reply(site)
        try:
            reply = read_reply(message, site, self._settings.response_topics)
            piece = read_piece(bytes(message.payload))
            if isinstance(piece.command, commands.Cancel) and piece.command.id == "*":
                for speech in self._sites.at(site):
                    speech.cancel("asked for")
                return
            speech = self._sites.find(site, piece.command.id)
        except ProtocolError as error:
            self._refuse(reply, error.utterance, error)
            return
        try:
            speech.obey(piece)
        except VoiceAgentError as error:
            self._refuse(speech.request.reply, speech.id, error)

    def _choose(self, site: str, what: str, payload: bytes) -> None:
        try:
            value, names = payload.decode("utf-8", "replace").strip(), self._service.config.voice_names
            self._sites.choose(site, what, value, self._service.engine.voices, names)
        except ProtocolError as error:
            self._refuse(Reply(site), None, error)

    def _note_agent(self, agent: str, *, online: bool) -> None:
        if agent == self.name or online == (agent in self._agents):
            return
        (self._agents.add if online else self._agents.discard)(agent)
        self._start(self._announce(), "announce")

    def _refuse(self, reply: Reply, utterance: str | None, error: VoiceAgentError) -> None:
        event = events.Error(utterance, error.code, str(error), retryable=error.retryable)
        self._service.metrics.observe(event)
        self._start(self._link.tell(event_messages(event, reply, {"agent": self.name})), "refuse")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        async def alone() -> None:
            try:
                await work
            except aiomqtt.MqttError:
                pass  # without the broker there is nobody to announce to; the next connection does it again
            except Exception:  # what leaves a task ends the service
                log.exception("mqtt.%s failed", name)

        self._tasks.create_task(alone(), name=f"mqtt.{name}")
