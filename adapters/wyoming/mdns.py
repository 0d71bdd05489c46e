"""Telling the local network where a service is (multicast DNS), as long as it is there."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voiceagent.errors import ConfigError
from voiceagent.errors.extras import install_hint

MULTICAST = "224.0.0.251"

log = logging.getLogger(__name__)


@asynccontextmanager
async def announced(service_type: str, name: str | None, host: str, port: int) -> AsyncIterator[None]:
    """Announces `name` at `host:port` while the block runs; does nothing without a name.

    A network that cannot be told is a warning: the service works for whoever knows its address. Another
    service of this name on the network makes ours "name-2".

    Raises:
        ConfigError: the package for it is not installed.
    """
    if name is None:
        yield
        return
    try:
        from zeroconf import Error, InterfaceChoice
        from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
    except ImportError as error:
        raise ConfigError(f"announcing {name!r} needs more: {install_hint('wyoming')}") from error
    anywhere = ipaddress.ip_address(host).is_unspecified
    address = _outward_address() if anywhere else host
    info = AsyncServiceInfo(service_type, f"{name}.{service_type}", port=port, parsed_addresses=[address])
    try:
        responder = AsyncZeroconf(interfaces=InterfaceChoice.All if anywhere else [host])
    except OSError as error:
        log.warning("%s is not announced on the network: %s", name, error)
        yield
        return
    try:
        try:
            await (await responder.async_register_service(info, allow_name_change=True))
        except (OSError, Error) as error:
            log.warning("%s is not announced on the network: %s", name, error)
        yield
    finally:
        await responder.async_close()  # which takes the announcement back


def _outward_address() -> str:
    """The address by which other machines reach this one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((MULTICAST, 1))  # sends nothing
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address
