"""The connection to a broker as the rest sees it: there or not, and what has to be said once it is back.

Every connection gets a client of its own. A client that connects again would send what it had not been able
to send before, and audio of a minute ago is worse than none.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import aiomqtt

from voiceagent.adapters.mqtt.messages import Outgoing, agent_topic
from voiceagent.errors import ConfigError
from voiceagent.settings.serve import MqttConfig

KEPT = 256
KEEPALIVE_S = 15
ANSWER_S = 5.0
ONLINE, OFFLINE = b"online", b"offline"

log = logging.getLogger(__name__)


class Link:
    """Publishes while there is a connection."""

    def __init__(self) -> None:
        self._client: aiomqtt.Client | None = None
        self._lost: asyncio.Future[None] | None = None
        self._kept: deque[Outgoing] = deque()
        self._up = asyncio.Event()

    async def wait_until_up(self) -> None:
        """Returns when there is a connection."""
        await self._up.wait()

    async def attach(self, client: aiomqtt.Client) -> None:
        """Takes a new connection, and says first what could not be said before."""
        self._lost = asyncio.get_running_loop().create_future()
        self._client = client
        while self._kept:
            await self.publish(self._kept[0])
            self._kept.popleft()
        self._up.set()

    def detach(self) -> None:
        """The connection is lost: whoever waits for it to take a message is told at once."""
        self._client = None
        self._up.clear()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    async def publish(self, message: Outgoing) -> None:
        """Publishes; with QoS 1 until the broker has it.

        Raises:
            aiomqtt.MqttError: there is no connection, or it was lost meanwhile.
        """
        if self._client is None or self._lost is None:
            raise aiomqtt.MqttError("not connected to the broker")
        sending = asyncio.ensure_future(
            self._client.publish(
                message.topic, message.payload, message.qos, message.retain, properties=message.properties
            )
        )
        try:
            await asyncio.wait([sending, self._lost], return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise aiomqtt.MqttError("the connection to the broker was lost")
            sending.result()
        finally:
            sending.cancel()

    async def tell(self, messages: Iterable[Outgoing]) -> None:
        """Publishes now, or as soon as there is a connection again: for what somebody waits for."""
        for message in messages:
            try:
                await self.publish(message)
            except aiomqtt.MqttError:
                if len(self._kept) == KEPT:
                    log.warning("no broker for so long that an event for %s is lost", self._kept.popleft().topic)
                self._kept.append(message)


def end_if_cancelled() -> None:
    """Raises the cancellation of this task again, where something on the way has swallowed it.

    `asyncio.wait_for` of Python 3.11 does, when what it waits for comes at that very moment.

    Raises:
        asyncio.CancelledError: the task has been told to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def client_of(settings: MqttConfig, agent: str) -> aiomqtt.Client:
    """A client that is not connected yet; its last will says that the agent is offline.

    Raises:
        ConfigError: the password or the certificates cannot be read.
    """
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=f"voiceagent-{agent}",
        username=settings.username,
        password=_password(settings),
        tls_context=_tls(settings),
        protocol=aiomqtt.ProtocolVersion.V5,
        keepalive=KEEPALIVE_S,
        timeout=ANSWER_S,
        clean_start=True,  # what was asked while we were away is not spoken late
        # An event after a frame of audio would wait 45 ms for the acknowledgement of the frame (0.3 ms with this).
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        will=aiomqtt.Will(agent_topic(agent, "status"), OFFLINE, qos=1, retain=True),
    )


def check_credentials(settings: MqttConfig) -> None:
    """Finds out early what can be found out early.

    Raises:
        ConfigError: the password or the certificates cannot be read.
    """
    _password(settings)
    _tls(settings)


def _password(settings: MqttConfig) -> str | None:
    if settings.password_file is None:
        return None
    try:
        return Path(settings.password_file).read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError as error:
        raise ConfigError(f"[mqtt] password_file: cannot read {settings.password_file}: {error.strerror}") from error


def _tls(settings: MqttConfig) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"[mqtt] ca_file: cannot use {settings.ca_file}: {error}") from error
