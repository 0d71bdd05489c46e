"""What Home Assistant is told by MQTT discovery: one device a site, with a box to type into, a stop button, a voice, a
speed, and whether it speaks.

The messages are retained, and the same whichever agent publishes them; they are published again when Home Assistant
starts and when an agent comes or goes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from voiceagent.adapters.mqtt.messages import Outgoing, agent_topic, site_topic
from voiceagent.options import SPEED_MAX, SPEED_MIN
from voiceagent.version import __version__

STATUS = "status"
ONLINE = "online"


def discovery(prefix: str, site: str, voices: Sequence[str], agents: Iterable[str]) -> Outgoing:
    """The description of a site's device.

    Args:
        prefix: Home Assistant's discovery prefix.
        agents: those that are online; the device is available while one of them is.
    """
    name = "voiceagent_" + re.sub(r"[^A-Za-z0-9_-]", lambda match: f"-{ord(match[0]):x}-", site)
    device = {
        "dev": {"ids": [name], "name": f"Voice {site}", "mf": "voiceagent", "sw": __version__},
        "o": {"name": "voiceagent", "sw": __version__},
        "availability": [{"topic": agent_topic(agent, "status")} for agent in sorted(agents)],
        "availability_mode": "any",
        "cmps": {key: {**entity, "unique_id": f"{name}_{key}"} for key, entity in _entities(site, voices).items()},
    }
    return Outgoing(f"{prefix}/device/{name}/config", json.dumps(device).encode(), qos=1, retain=True)


def _entities(site: str, voices: Sequence[str]) -> dict[str, dict[str, Any]]:
    voice, speed = site_topic(site, "voice"), site_topic(site, "speed")
    return {
        "say": {
            "p": "notify",
            "name": "Say",
            "icon": "mdi:bullhorn",
            "command_topic": site_topic(site, "say"),
            "qos": 1,
        },
        "stop": {
            "p": "button",
            "name": "Stop",
            "icon": "mdi:stop",
            "command_topic": site_topic(site, "stop"),
            "qos": 1,
        },
        # What was chosen last stays at the broker, so every agent knows it, and after a restart too.
        "voice": {
            "p": "select",
            "name": "Voice",
            "icon": "mdi:account-voice",
            "options": list(voices),
            "command_topic": voice,
            "state_topic": voice,
            "retain": True,
            "qos": 1,
        },
        "speed": {
            "p": "number",
            "name": "Speed",
            "icon": "mdi:speedometer",
            "min": SPEED_MIN,
            "max": SPEED_MAX,
            "step": 0.05,
            "command_topic": speed,
            "state_topic": speed,
            "retain": True,
            "qos": 1,
        },
        "state": {
            "p": "sensor",
            "name": "State",
            "icon": "mdi:account-tie-voice",
            "device_class": "enum",
            "options": ["idle", "speaking"],
            "state_topic": site_topic(site, "state"),
        },
    }
