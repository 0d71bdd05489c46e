"""The engine's settings: what is valid, and what the environment overrides."""

from __future__ import annotations

import pytest

from voiceagent.errors import InputError
from voiceagent.settings.engine import ENVIRONMENT, EngineConfig


@pytest.mark.parametrize(
    "wrong", [{"device": "gpu"}, {"precision": "int4"}, {"kernels": "cuda"}, {"threads": 0}, {"max_streams": 0}]
)
def test_a_value_that_is_not_valid_is_named(wrong: dict[str, str | int]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        EngineConfig(**wrong)  # type: ignore[arg-type]


def test_the_environment_overrides_what_it_names_and_nothing_else() -> None:
    settings = EngineConfig(precision="float32", max_streams=3)
    assert settings.overridden({}) == settings
    assert settings.overridden({"VOICEAGENT_PRECISION": ""}) == settings
    changed = settings.overridden({"VOICEAGENT_PRECISION": "bfloat16", "VOICEAGENT_THREADS": "2"})
    assert changed == EngineConfig(precision="bfloat16", threads=2, max_streams=3)


@pytest.mark.parametrize(
    ("key", "value"), [("VOICEAGENT_THREADS", "two"), ("VOICEAGENT_THREADS", "0"), ("VOICEAGENT_DEVICE", "gpu")]
)
def test_a_mistake_in_the_environment_names_the_key(key: str, value: str) -> None:
    with pytest.raises(InputError, match=key):
        EngineConfig().overridden({key: value})
    assert key in ENVIRONMENT
