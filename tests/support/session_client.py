"""A session driven by hand: no event loop, no thread, no clock but the one in `Client`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from support.fakes import FakeChunker, FakeEngine

from voiceagent.protocol import commands, events, outputs
from voiceagent.session.session import Session
from voiceagent.settings.serve import Limits

E = TypeVar("E")


class Client:
    """Feeds a session and keeps what came out; engine outputs wait in `late` while `hold` is set."""

    def __init__(
        self,
        engine: FakeEngine | None = None,
        *,
        limits: Limits | None = None,
        paced: bool = False,
        voice_names: Mapping[str, str] | None = None,
    ) -> None:
        self.now = 100.0
        self.hold = False
        self.late: list[tuple[int, outputs.Output]] = []
        self.engine = engine or FakeEngine()
        self.session = Session(
            self.engine, self._post, make_chunker=FakeChunker, limits=limits, paced=paced, voice_names=voice_names
        )

    def _post(self, stream: int, output: outputs.Output) -> None:
        self.late.append((stream, output))

    def feed(self, *commands: commands.Command) -> None:
        for command in commands:
            self.session.handle(command, self.now)

    def take(self) -> list[events.Event]:
        """Everything that comes out at this time."""
        taken: list[events.Event] = []
        while True:
            if not self.hold and self.late:
                self.session.receive(*self.late.pop(0))
                continue
            event = self.session.next_event(self.now)
            if event is None:
                if (self.late and not self.hold) or self.session.wait_s(self.now) == 0.0:
                    continue
                return taken
            taken.append(event)

    def speak(self, text: str, id_: str = "u", **options: Any) -> list[events.Event]:
        self.feed(commands.Start(id_, **options), commands.Text(id_, text), commands.End(id_))
        return self.take()


def of(kind: type[E], taken: list[events.Event]) -> list[E]:
    return [event for event in taken if isinstance(event, kind)]
