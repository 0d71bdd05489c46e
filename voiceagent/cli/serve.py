"""`voiceagent serve`: everything that the settings and the options ask for, until it is told to end."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import signal
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voiceagent.cli.options import Weights, Words, notes
from voiceagent.cli.run import ENDING
from voiceagent.errors import ConfigError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from voiceagent.adapters.doors import Door
    from voiceagent.service.service import Service
    from voiceagent.settings.serve import ServeConfig


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; the default is loopback.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one. The default is 8080.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings, as configs/serve.toml.")] = None,
    weights: Weights = None,
    lexicon: Words = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM certificate: https and wss.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key of --tls-cert.")] = None,
    tls_self_signed: Annotated[
        bool, typer.Option(help="https and wss on localhost, by a certificate made once.")
    ] = False,
    without_key: Annotated[
        bool,
        typer.Option("--without-key", help="Listen for other machines without a key: something else guards it."),
    ] = False,
    wyoming: Annotated[bool, typer.Option(help="Speak Wyoming too, for Home Assistant: port 10200.")] = False,
    mqtt: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help="Speak over this MQTT broker too.")] = None,
) -> None:
    """Serve speech over WebSocket and HTTP, and where it is wanted over Wyoming and MQTT."""
    from voiceagent.adapters import doors
    from voiceagent.adapters.app import bind
    from voiceagent.agent import load_engine
    from voiceagent.cli.edit import file_editor
    from voiceagent.cli.tls import check, key_pair
    from voiceagent.options.vendor_voices import check_names
    from voiceagent.service.edit_desk import EditDesk
    from voiceagent.service.service import Service
    from voiceagent.session.chunkers import chunker_with

    certificate, key = key_pair(tls_cert, tls_key, self_signed_one=tls_self_signed)
    settings = _settings(
        config, host=host, port=port, weights=weights, lexicon=lexicon, tls_cert=certificate, tls_key=key
    )
    if without_key:
        settings = dataclasses.replace(settings, without_key=True)
    _check_guarded(settings)
    settings = doors.with_doors(settings, wyoming=wyoming, mqtt=mqtt)
    more_doors = doors.doors_of(settings, typer.echo)
    if settings.tls_cert and settings.tls_key:
        check(settings.tls_cert, settings.tls_key)
    named = {name: Path(path) for name, path in settings.lexicons.items()}
    make_chunker = chunker_with(Path(settings.lexicon) if settings.lexicon else None, settings.speech, named)

    def load() -> Service:
        engine = load_engine(Path(settings.weights) if settings.weights else None, settings.engine)
        loaded.callback(engine.close)
        engine.start()
        desk = EditDesk(lambda: file_editor(Path(settings.weights) if settings.weights else None))
        loaded.callback(desk.close)  # before the engine
        check_names(settings.voice_names, engine.voices)
        return Service(engine, settings, make_chunker, edit_desk=desk)

    with (
        bind(settings.host, settings.port, settings.send_stall_s) as listener,
        ExitStack() as loaded,
        suppress(KeyboardInterrupt),  # the usual way to end it
    ):
        _serve(load, settings, listener, more_doors, trust=settings.tls_cert if tls_self_signed else None)


def _settings(config: Path | None, **given: Path | str | int | None) -> ServeConfig:
    """The settings of the file, and over them what the command line gives."""
    from voiceagent.settings.serve import ServeConfig, load_serve_config

    settings = load_serve_config(config) if config else ServeConfig()
    values: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value for name, value in given.items() if value is not None
    }
    try:
        return dataclasses.replace(settings, **values)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_guarded(settings: ServeConfig) -> None:
    """Makes sure that an address which other machines reach is guarded, or meant not to be.

    Raises:
        ConfigError: it is neither.
    """
    if settings.needs_key or settings.without_key or loopback(settings.host):
        return
    raise ConfigError(
        f"whoever reaches {settings.host} could use it: put keys into the settings (`voiceagent key NAME` makes one), or give "
        "--without-key where something else keeps strangers out"
    )


def loopback(host: str) -> bool:
    """Whether this address is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def keep_what_is_loaded() -> None:
    """Takes what is loaded out of the collections to come: looking through it would hold the event loop up for longer than a frame.

    The second collection counts what is left. Without it Python goes by the old count and collects only when a quarter as many
    objects have come: connections that are over, with all that was sent to them, would lie there for many minutes.
    """
    gc.collect()
    gc.freeze()
    gc.collect()


def _serve(
    load: Callable[[], Service],
    settings: ServeConfig,
    listener: socket.socket,
    more_doors: list[Door],
    *,
    trust: str | None,
) -> None:
    """Serves until it is told to end.

    Args:
        load: makes the service, engine running.
        trust: the certificate that clients must be told to trust.
    """
    from voiceagent.adapters import doors
    from voiceagent.adapters.app import Loading, build_app, build_server
    from voiceagent.session.chunkers import warm_up

    app = Loading()
    server = build_server(app, settings, log_level="warning")

    def make() -> Service:
        service = load()
        warm_up(service.make_chunker)
        return service

    async def ready() -> Service:
        with notes.status("loading the voices"):
            service = await asyncio.to_thread(make)
        keep_what_is_loaded()
        app.settle(build_app(service))
        if not server.should_exit:
            _announce(service, listener.getsockname()[1], trust)
        return service

    # From now on, not from when its loop runs; and it raises them once more after it has ended in order.
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, server.handle_exit)
    try:
        doors.run(server, listener, ready, more_doors)
    finally:
        gc.unfreeze()  # else nothing of it is freed at the end, and some libraries print what they think has leaked


def _announce(service: Service, port: int, trust: str | None) -> None:
    """Says where it is to be found, now that it can speak."""
    settings = service.config
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    voices = ", ".join(service.engine.voices)
    scheme = "wss" if settings.tls_cert else "ws"
    http = scheme.replace("ws", "http")
    typer.echo(f"voiceagent listens on {scheme}://{shown}:{port}/v1/stream (voices: {voices})")
    typer.echo(f"OpenAI clients: base URL {http}://{shown}:{port}/v1")
    typer.echo(f"to hear it, open {http}://{shown}:{port}/ in a browser")
    if trust is not None:
        typer.echo(f"clients trust it by: SSL_CERT_FILE={trust}")
        typer.echo("node: NODE_EXTRA_CA_CERTS in place of it; curl: --cacert")
    if not (settings.needs_key or loopback(settings.host)):
        notes.print("whoever reaches this address may use it: the settings have no keys")
