"""Counters of the service for Prometheus: one set an application, so that tests do not share them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.protocol import events

FIRST_AUDIO_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0)


class Metrics:
    """What the service has done since it started."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.connections = Gauge("voiceagent_connections", "Clients connected now.", registry=self._registry)
        self._utterances = Counter(
            "voiceagent_utterances", "Utterances by how they ended.", ["outcome"], registry=self._registry
        )
        self._remade = Counter(
            "voiceagent_remade",
            "Parts of speech that did not sound as planned and were made again before they left.",
            registry=self._registry,
        )
        self.stalled_clients = Counter(
            "voiceagent_stalled_clients", "Clients let go because they took nothing.", registry=self._registry
        )
        self.engine_stalls = Counter(
            "voiceagent_engine_stalls", "Times that the engine was silent while it had work.", registry=self._registry
        )
        self._chars = Counter(
            "voiceagent_characters",
            "Characters of text that were taken, by the name of the key.",
            ["key"],
            registry=self._registry,
        )
        self._audio_s = Counter("voiceagent_audio_seconds", "Seconds of speech sent.", registry=self._registry)
        self._first_audio_s = Histogram(
            "voiceagent_first_audio_seconds",
            "From the first text of an utterance to its first frame.",
            buckets=FIRST_AUDIO_S,
            registry=self._registry,
        )

        self.underruns = Counter(
            "voiceagent_underruns", "Times that players ran empty, as clients told.", registry=self._registry
        )

    def watch(self, state: Callable[[], Iterable[Metric]]) -> None:
        """Shows what `state` gives whenever Prometheus asks."""
        self._registry.register(_State(state))

    def observe(self, event: events.Event) -> None:
        """Counts an event that was sent."""
        match event:
            case events.Audio():
                self._audio_s.inc(len(event.samples) / SAMPLE_RATE_HZ)
            case events.Done():
                self._utterances.labels("done").inc()
                if event.ttfa_ms is not None:
                    self._first_audio_s.observe(event.ttfa_ms / 1000)
            case events.Warning_(code="remade"):
                self._remade.inc()
            case events.Cancelled():
                self._utterances.labels("cancelled").inc()
            case events.Error():
                self._utterances.labels(event.code).inc()
            case _:
                pass

    def count_chars(self, key: str, chars: int) -> None:
        """Counts text that was taken with the key of this name."""
        self._chars.labels(key).inc(chars)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


def gauge(name: str, what: str, value: float) -> Metric:
    """A figure that goes up and down."""
    return GaugeMetricFamily(f"voiceagent_{name}", what, value)


def counter(name: str, what: str, value: float) -> Metric:
    """A figure that only grows."""
    return CounterMetricFamily(f"voiceagent_{name}", what, value)


class _State(Collector):
    """Figures that are read when they are asked for."""

    def __init__(self, state: Callable[[], Iterable[Metric]]) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        return self._state()

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is read before the service is whole
