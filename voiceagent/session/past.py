"""Utterances of a connection that are over: what is still known of them, and whose late commands mean nothing."""

from __future__ import annotations

from collections import OrderedDict

from voiceagent.session.utterance import Utterance

# Utterances that are over but may still be playing: a cancel still learns what was heard.
REMEMBERED = 8
# Ids whose late commands (tokens that were under way) are dropped without a word.
FORGOTTEN = 256


class Past:
    """The last utterances of a session that have been spoken to their end, and the ids of those before and of cancelled
    ones.

    An id is in it while commands for it are late rather than wrong.
    """

    def __init__(self) -> None:
        self._over: OrderedDict[str, Utterance] = OrderedDict()
        self._forgotten: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, utterance_id: str) -> bool:
        return utterance_id in self._over or utterance_id in self._forgotten

    def get(self, utterance_id: str) -> Utterance | None:
        """An utterance that may still be playing."""
        return self._over.get(utterance_id)

    def take(self, utterance_id: str) -> Utterance | None:
        """The same, which is no longer of the past."""
        return self._over.pop(utterance_id, None)

    def playing(self, now: float) -> list[str]:
        """Ids of those that the listener still hears."""
        return [id_ for id_, utterance in self._over.items() if utterance.is_playing(now)]

    def remember(self, utterance: Utterance) -> None:
        """An utterance has been spoken to its end."""
        self._over[utterance.id] = utterance
        while len(self._over) > REMEMBERED:
            self.forget(self._over.popitem(last=False)[0])

    def forget(self, utterance_id: str) -> None:
        """Nothing more is known of this id than that it was in use."""
        self._forgotten[utterance_id] = None
        self._forgotten.move_to_end(utterance_id)
        while len(self._forgotten) > FORGOTTEN:
            self._forgotten.popitem(last=False)

    def reuse(self, utterance_id: str) -> None:
        """The id is in use again."""
        self._forgotten.pop(utterance_id, None)
        self._over.pop(utterance_id, None)
