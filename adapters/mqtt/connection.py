"""Speech over MQTT 5: requests in, audio and events out, over one broker, shared among as many agents as there are.

Of all agents one gets a request (a shared subscription). If it is for the loudspeaker of a site, and another agent is
the one that speaks at this site, it is passed on, so that a site never hears two utterances at once. `started` names the topic
for what follows of the utterance, which only the agent that speaks it listens to: pieces of one utterance cannot end up
with different agents.

Nothing waits in a queue that drops: requests that cannot be taken, and text for which there is no room, are answered with an
error event. When the broker is lost, what was being heard is over (`cancelled` follows when the broker is back), and what had
not begun goes on, if it has not expired by then.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import aiomqtt

from voiceagent.adapters.mqtt.agent import Agent
from voiceagent.adapters.mqtt.link import check_credentials, client_of, end_if_cancelled
from voiceagent.service.service import Service
from voiceagent.settings.serve import MqttConfig

FIRST_PAUSE_S = 0.25
# A connection that lasted this long was good.
STABLE_S = 5.0

log = logging.getLogger(__name__)


async def run(service: Service, settings: MqttConfig, on_ready: Callable[[str], None] = lambda _: None) -> None:
    """Serves until it is cancelled, connecting again as often as it takes; `on_ready` is told of every connection.

    Raises:
        ConfigError: the password or the certificates cannot be read.
    """
    check_credentials(settings)
    loop = asyncio.get_running_loop()
    failures = 0  # attempts in a row that did not last
    async with asyncio.TaskGroup() as tasks:
        agent = Agent(service, settings, tasks)
        while True:
            connected = False
            begin_s = loop.time()
            try:
                async with client_of(settings, agent.name) as client:
                    connected = True
                    await agent.serve(client, lambda: on_ready(f"mqtt://{settings.host}:{settings.port}"))
            except aiomqtt.MqttError as error:
                end_if_cancelled()  # an error while hanging up takes the place of the cancellation
                agent.lost()
                failures = 0 if loop.time() - begin_s > STABLE_S else failures + 1
                advice = _advice(error, agent.name, failures, connected=connected)
                log.warning("MQTT broker %s:%d: %s%s", settings.host, settings.port, error, advice)
            pause_s = min(FIRST_PAUSE_S * 2 ** min(failures, 16), settings.reconnect_s)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))


def _advice(error: aiomqtt.MqttError, name: str, failures: int, *, connected: bool) -> str:
    if isinstance(error, aiomqtt.MqttCodeError) and not connected:
        return "; see [mqtt] username and password_file"
    if connected and failures > 2:  # a broker ends a connection when a second client of its name comes
        return f"; if another agent calls itself {name!r} too, give it a name of its own: [mqtt] agent"
    return ""
