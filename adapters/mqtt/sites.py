"""What is open at which site, whose turn it is, and which agent speaks there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from voiceagent.adapters.mqtt.speech import SiteUtterance
from voiceagent.errors import InputError, NoCapacity, ProtocolError, UnknownVoice
from voiceagent.options import SpeakOptions
from voiceagent.options.vendor_voices import our_voice


class Sites:
    """The utterances of this agent.

    Args:
        max_waiting: how many may wait for their turn at a site.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._open: dict[tuple[str, str], SiteUtterance] = {}
        self._queues: dict[str, list[SiteUtterance]] = {}
        self._defaults: dict[str, dict[str, Any]] = {}

    def check(self, site: str, utterance_id: str, *, at_site: bool) -> None:
        """Whether an utterance may be opened.

        Raises:
            ProtocolError: one of this id is open.
            NoCapacity: too many wait at the site.
        """
        if (site, utterance_id) in self._open:
            raise ProtocolError(f"utterance {utterance_id!r} is open already", utterance=utterance_id)
        if at_site and len(self._queues.get(site, ())) > self._max_waiting:
            raise NoCapacity(f"{self._max_waiting} utterances wait for their turn at {site!r} already; ask again later")

    def enter(self, speech: SiteUtterance) -> None:
        """Opens it; it has its turn when those before it have been heard."""
        reply = speech.request.reply
        self._open[reply.site, speech.id] = speech
        if not reply.audio_at_site:
            speech.grant_turn()
            return
        queue = self._queues.setdefault(reply.site, [])
        queue.append(speech)
        queue[0].grant_turn()

    def leave(self, speech: SiteUtterance) -> None:
        """It is over: the next one has its turn."""
        site = speech.request.reply.site
        self._open.pop((site, speech.id), None)
        queue = self._queues.get(site, [])
        if speech in queue:
            queue.remove(speech)
            if queue:
                queue[0].grant_turn()
            else:
                del self._queues[site]

    def find(self, site: str, utterance_id: str) -> SiteUtterance:
        """The open utterance of this id.

        Raises:
            ProtocolError: there is none.
        """
        speech = self._open.get((site, utterance_id))
        if speech is None:
            message = f"utterance {utterance_id!r} is not open at {site!r} here: send a request first"
            raise ProtocolError(message, utterance=utterance_id)
        return speech

    def at(self, site: str) -> list[SiteUtterance]:
        """What is open at a site."""
        return [speech for (where, _), speech in self._open.items() if where == site]

    def __iter__(self) -> Iterator[SiteUtterance]:
        return iter(list(self._open.values()))

    # What a request means that does not say.

    def defaults(self, site: str) -> dict[str, Any]:
        """Voice and speed of a site, where somebody has chosen them."""
        return self._defaults.get(site, {})

    def choose(
        self, site: str, what: str, value: str, voices: Iterable[str], names: Mapping[str, str] | None = None
    ) -> None:
        """Sets the voice or the speed of a site; an empty value forgets it. `names`: what further names of voices mean.

        Raises:
            ProtocolError: no such voice, or a speed out of range.
        """
        chosen = self._defaults.setdefault(site, {})
        if not value:
            chosen.pop(what, None)
        elif what == "voice":
            try:
                our_voice(value, tuple(voices), names)
            except (UnknownVoice, InputError) as error:
                here = ", ".join((*voices, *(names or ())))
                raise ProtocolError(f"unknown voice {value!r}; voices here: {here}", code="unknown_voice") from error
            chosen["voice"] = value
        else:
            try:
                chosen["speed"] = SpeakOptions(speed=float(value)).speed
            except ValueError as error:
                raise ProtocolError(f"speed: {error}") from error
        if not chosen:
            del self._defaults[site]


def agent_of(site: str, agents: Iterable[str]) -> str:
    """The agent that speaks at a site: the same one for everybody who knows the same agents.

    Rendezvous hashing: when an agent comes or goes, only its own sites move.
    """
    return max(agents, key=lambda agent: hashlib.sha256(f"{agent}/{site}".encode()).digest())
