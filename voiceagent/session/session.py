"""The protocol of a connection as a state machine: commands and engine outputs go in, events come out.

Without I/O: no socket, no event loop, no clock. Every method takes the time and returns at once;
`voiceagent.session.async_session` is the shell that waits. It does not know audio formats or how a message looks.

    client  -> handle(command)  -> chunks -> engine (speak, cancel return at once)
    engine  -> receive(output)  -> frames, words
    client  <- next_event()     <- paced, fair among utterances; after `Cancelled` nothing of that utterance
"""

from __future__ import annotations

import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from functools import partial
from math import ceil, isfinite

from voiceagent.errors import NoCapacity, ProtocolError, VoiceAgentError
from voiceagent.options.resolve import resolve
from voiceagent.protocol import commands, events, outputs
from voiceagent.session.buffering import Latency
from voiceagent.session.interface import Allowance, Chunker, MakeChunker, SpeechEngine
from voiceagent.session.past import Past
from voiceagent.session.utterance import Utterance
from voiceagent.settings.serve import Limits

# Answers that may wait unread before the owner should stop reading commands.
CONTROL_MARK = 256


class Session:
    """State of one connection.

    Args:
        engine: speaks the chunks.
        post: hands an output of the stream with this number over from the engine's thread, so that the
            owner calls `receive` with it. Called on the engine's thread.
        make_chunker: makes the chunker of an utterance.
        paced: hold audio back to `max_ahead_ms` of each utterance.
        text_wait_s: how long text may stand in line for room before it is refused; commands for others, and a cancel,
            pass it.
        voice_names: what further names of voices mean.
    """

    def __init__(
        self,
        engine: SpeechEngine,
        post: Callable[[int, outputs.Output], None],
        *,
        make_chunker: MakeChunker,
        limits: Limits | None = None,
        paced: bool = True,
        text_wait_s: float = 0.0,
        voice_names: Mapping[str, str] | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.closed = False
        """The client said goodbye, or the owner did."""
        self.ending = False
        """What is open goes on, and no utterance is opened."""
        self.allowance: Allowance | None = None
        """What this client may do; None is whatever the limits allow."""
        self._engine = engine
        self._post = post
        self._make_chunker = make_chunker
        self.limits = limits or Limits()
        self._paced = paced
        self._latency = Latency()
        self._text_wait_s = text_wait_s
        self._voice_names = voice_names
        self._last_stream = 0
        self._open: OrderedDict[str, Utterance] = OrderedDict()
        self._engine_streams: dict[int, int] = {}
        self._past = Past()
        self._control: deque[events.Event] = deque()
        limits_sent = {"max_text_buffer": self.limits.max_text_buffer, "max_open": self.limits.max_open}
        self._control.append(events.Ready(self.id, limits_sent, engine.voices))

    # Commands in.

    def handle(self, command: commands.Command, now: float) -> None:
        """Obeys a command; whatever is wrong with it becomes an `Error` event."""
        match command:
            case commands.Start():
                self._start(command, now)
            case commands.Cancel(id="*", played_ms=played_ms):
                self._cancel_all(now, played_ms)
            case commands.Cancel(id=id_, played_ms=played_ms):
                self._cancel(id_, now, played_ms)
            case commands.Ping(t=t):
                self._control.append(events.Pong(t))
            case commands.Close():
                self.close(now)
            case commands.Played(id=id_, ms=ms):
                utterance = self._open.get(id_) or self._past.get(id_)
                if utterance is not None:
                    utterance.acknowledge(ms)
            case commands.Resume():
                self.refuse(None, ProtocolError("sessions cannot be resumed here, or this one is in use already"))
            case _:
                self._write(command, now)

    def refuse(self, utterance_id: str | None, error: VoiceAgentError) -> None:
        """Answers a request that could not even be read; what else comes for its id is dropped."""
        after_s = getattr(error, "retry_after_s", None)
        after_ms = None if after_s is None else ceil(after_s * 1000)
        told = events.Error(utterance_id, error.code, str(error), retryable=error.retryable, retry_after_ms=after_ms)
        self._control.append(told)
        if utterance_id is not None and utterance_id not in self._open:
            self._past.forget(utterance_id)

    def has_room(self, utterance_id: str, chars: int) -> bool:
        """Whether an utterance can take this many characters more; one that is not open always can."""
        utterance = self._open.get(utterance_id)
        return utterance is None or utterance.has_room(chars)

    @property
    def congested(self) -> bool:
        """More answers wait to be taken than a well-behaved client can cause: read no further."""
        return len(self._control) > CONTROL_MARK

    @property
    def busy(self) -> bool:
        """Something is open, or an event waits to be taken."""
        return not self.closed and bool(self._open or self._control)

    @property
    def received(self) -> tuple[events.Received, ...]:
        """What has arrived of each utterance that is open."""
        return tuple(utterance.received for utterance in self._open.values())

    @property
    def open_utterances(self) -> int:
        """How many utterances are open."""
        return len(self._open)

    def knows(self, utterance_id: str) -> bool:
        """Whether something of this utterance is still to come."""
        return utterance_id in self._open or any(getattr(event, "id", None) == utterance_id for event in self._control)

    def close(self, now: float) -> None:
        """Cancels everything."""
        for id_ in list(self._open):
            self._cancel(id_, now)
        self.closed = True

    def _start(self, start: commands.Start, now: float) -> None:
        if start.id in self._open:
            self._object(start.id, "is open already")
            return
        if self.ending:
            self.refuse(start.id, NoCapacity("the service is about to end; connect again for another utterance"))
            return
        if start.preempt:
            self._cancel_all(now)
        if len(self._open) >= self.limits.max_open:
            self.refuse(start.id, NoCapacity(f"{self.limits.max_open} utterances are open already; end or cancel one"))
            return
        stream = self._next_stream()
        try:
            if self.allowance is not None:
                self.allowance.check_start()
            options = resolve(start.options, self._engine.voices, self._voice_names)
            chunker = self._chunker(start, options.language)
            engine_stream = self._engine.open(options, partial(self._post, stream), owner=self.id)
        except VoiceAgentError as error:
            self.refuse(start.id, error)
            return
        self._engine_streams[stream] = engine_stream
        self._past.reuse(start.id)
        self._open[start.id] = Utterance(start, stream, chunker, self.limits, paced=self._paced, latency=self._latency)
        self._control.append(events.Started(start.id, stream, start.format))

    def _chunker(self, start: commands.Start, language: str) -> Chunker:
        if language == "en":
            return self._make_chunker(start.speech)
        from voiceagent.text.languages.registry import chunker_of  # for those who want it

        return chunker_of(language)

    def _next_stream(self) -> int:
        """A number that fits 16 bits and that no open stream has."""
        while True:
            self._last_stream = self._last_stream % 0xFFFF + 1
            if self._last_stream not in self._engine_streams:
                return self._last_stream

    def _write(self, command: commands.Text | commands.Flush | commands.End, now: float) -> None:
        utterance = self._open.get(command.id)
        if utterance is None:
            if command.id not in self._past:
                self._object(command.id, "is not open: send start first")
            return
        if utterance.ended:
            self._object(command.id, f"has been ended: no {command.type} may follow")
            return
        try:
            match command:
                case commands.Text(text=text):
                    self._take_text(utterance, text, now)
                case commands.Flush():
                    utterance.flush(now)
                case commands.End():
                    utterance.end(now)
        except NoCapacity as error:
            self.refuse(command.id, error)
        self._hand_over(utterance)

    def _take_text(self, utterance: Utterance, text: str, now: float) -> None:
        if self.allowance is not None:
            self.allowance.check_text(len(text), now)
        utterance.add_text(text, now, self._text_wait_s)
        if self.allowance is not None:
            self.allowance.spend(len(text))

    def _object(self, id_: str, what: str) -> None:
        self._control.append(events.Error(id_, "bad_message", f"utterance {id_!r} {what}"))

    def _hand_over(self, utterance: Utterance) -> None:
        """Gives the engine as much as it may have."""
        engine_stream = self._engine_streams.get(utterance.stream)
        while engine_stream is not None and (chunk := utterance.next_chunk()) is not None:
            try:
                self._engine.speak(engine_stream, chunk)
            except VoiceAgentError as error:
                utterance.receive(outputs.Finished(error=str(error)))
                return

    def _cancel_all(self, now: float, played_ms: int | None = None) -> None:
        """Cancels what is open, and what has been sent to its end but is still to be heard."""
        playing = self._past.playing(now) if self._paced else []
        for id_ in (*playing, *self._open):
            self._cancel(id_, now, played_ms)

    def _cancel(self, id_: str, now: float, played_ms: int | None = None) -> None:
        utterance = self._open.pop(id_, None) or self._past.take(id_)
        if utterance is None:
            if id_ not in self._past:
                self._object(id_, "is not open")
            return
        self._release(utterance, cancel=True)
        self._control.append(utterance.cancel(now, played_ms))
        self._past.forget(id_)

    def _release(self, utterance: Utterance, *, cancel: bool) -> None:
        """Lets go of the engine's stream; outputs that are still under way find no owner and are dropped."""
        engine_stream = self._engine_streams.pop(utterance.stream, None)
        if engine_stream is not None and cancel and not utterance.finished:
            self._engine.cancel(engine_stream)

    # Outputs of the engine in.

    def receive(self, stream: int, output: outputs.Output) -> None:
        """Takes an output of the engine; those of a cancelled utterance are dropped."""
        if stream not in self._engine_streams:
            return
        for utterance in self._open.values():
            if utterance.stream == stream:
                if isinstance(output, outputs.Speech) and not isfinite(float(output.samples.sum())):
                    self._break_off(utterance, "the engine made something that is no sound; try again")
                    return
                utterance.receive(output)
                self._hand_over(utterance)
                return

    @property
    def awaits_engine(self) -> bool:
        """The engine has something to say for a client that is here."""
        return any(utterance.awaits_engine for utterance in self._open.values())

    def give_engine_up(self, reason: str) -> None:
        """Ends what waits for the engine; the client may try again."""
        for utterance in list(self._open.values()):
            if utterance.awaits_engine:
                self._break_off(utterance, reason)

    def _break_off(self, utterance: Utterance, reason: str) -> None:
        """Ends an utterance from this side; what the engine still says of it is dropped."""
        utterance.receive(outputs.Finished(error=reason))
        if (engine_stream := self._engine_streams.get(utterance.stream)) is not None:
            self._engine.cancel(engine_stream)

    # Events out.

    def next_event(self, now: float) -> events.Event | None:
        """The next event for the client, or None where there is none at this time."""
        for utterance in self._open.values():
            for error in utterance.admit(now):
                self.refuse(utterance.id, error)
        if self._control:
            return self._control.popleft()
        for id_, utterance in list(self._open.items()):
            utterance.work(now)
            self._hand_over(utterance)
            event = utterance.take(now)
            if event is None:
                continue
            self._hand_over(utterance)
            self._open.move_to_end(id_)  # the others come first next time
            if utterance.drained:
                self._retire(utterance)
            return event
        return None

    def _retire(self, utterance: Utterance) -> None:
        del self._open[utterance.id]
        self._release(utterance, cancel=False)
        self._past.remember(utterance)

    def wait_s(self, now: float) -> float | None:
        """Seconds until `next_event` is worth asking although nothing came in; None is never."""
        if self._control:
            return 0.0
        waits = [wait for utterance in self._open.values() if (wait := utterance.wait_s(now)) is not None]
        return min(waits, default=None)
