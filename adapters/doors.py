"""Everything that `voiceagent serve` opens: HTTP and WebSocket, and beside them Wyoming and MQTT where they are enabled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urlsplit

import uvicorn

from voiceagent.errors import ConfigError, InputError, first_of
from voiceagent.errors.extras import install_hint
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig

Door: TypeAlias = Callable[[Service], Awaitable[None]]
Load: TypeAlias = Callable[[], Awaitable[Service]]


def with_doors(settings: ServeConfig, *, wyoming: bool, mqtt: str | None) -> ServeConfig:
    """The settings with what the command line asks for.

    Args:
        mqtt: HOST or HOST:PORT of a broker.

    Raises:
        InputError: this is no address of a broker.
    """
    if wyoming:
        settings = replace(settings, wyoming=replace(settings.wyoming, enabled=True))
    if mqtt is not None:
        try:
            broker = urlsplit(f"//{mqtt}")
            host, port = broker.hostname, broker.port or settings.mqtt.port
            if not host or broker.netloc != mqtt:
                raise ValueError
        except ValueError as error:
            raise InputError(f"--mqtt takes HOST or HOST:PORT of a broker, not {mqtt!r}") from error
        settings = replace(settings, mqtt=replace(settings.mqtt, enabled=True, host=host, port=port))
    return settings


def doors_of(settings: ServeConfig, say: Callable[[str], None]) -> list[Door]:
    """The doors beside HTTP that are enabled, before anything slow happens.

    Args:
        say: is told where each of them is, once it is open.

    Raises:
        ConfigError: a package that one of them needs is not installed, or a secret cannot be read.
    """
    doors: list[Door] = []
    if settings.wyoming.enabled:
        try:
            from voiceagent.adapters.wyoming import server as wyoming
        except ImportError as error:
            raise ConfigError(f"Wyoming needs more: {install_hint('wyoming')} ({error})") from error
        doors.append(
            lambda service: wyoming.run(service, settings.wyoming, lambda uri: say(f"Wyoming is spoken on {uri}"))
        )
    if settings.mqtt.enabled:
        try:
            from voiceagent.adapters.mqtt import connection as mqtt
            from voiceagent.adapters.mqtt.link import check_credentials
        except ImportError as error:
            raise ConfigError(f"MQTT needs more: {install_hint('mqtt')} ({error})") from error
        check_credentials(settings.mqtt)
        doors.append(lambda service: mqtt.run(service, settings.mqtt, lambda uri: say(f"connected to {uri}")))
    return doors


def run(server: uvicorn.Server, listener: socket.socket, load: Load, doors: list[Door]) -> None:
    """Serves until the server is told to end, or a door cannot be opened.

    Args:
        load: makes the service, on a thread of its own, while the server says already that it is not ready.

    Raises:
        VoiceAgentError: a door cannot be opened.
    """
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(serve(server, listener, load, doors))


async def serve(server: uvicorn.Server, listener: socket.socket, load: Load, doors: list[Door]) -> None:
    """The same, on a loop that runs already."""
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    others: list[asyncio.Future[None]] = []
    outcomes: list[BaseException | None] = []
    try:
        service = await load()
        if not server.should_exit:
            others += [asyncio.ensure_future(door(service)) for door in doors]
        await asyncio.wait([serving, *others], return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        try:
            await serving
        finally:
            for other in others:
                other.cancel()
            outcomes = await asyncio.gather(*others, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise first_of(outcome)
