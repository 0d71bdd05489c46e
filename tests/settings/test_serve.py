from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from voiceagent.errors import ConfigError
from voiceagent.settings.serve import SECTIONS, ServeConfig, load_serve_config

PAGE = Path(__file__).parents[2] / "configs" / "serve.toml"


def documented() -> dict[str, list[str]]:
    """Keys of each section of the page, as they stand, those that are commented out too."""
    keys: dict[str, list[str]] = {"": []}
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"\[(\w+)\]", line):
            section = heading[1]
            keys[section] = []
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            keys[section].append(key[1])
    return keys


@pytest.mark.parametrize("section", ["", *SECTIONS])
def test_every_key_is_documented_once(section: str) -> None:
    settings = SECTIONS[section] if section else ServeConfig
    named = [field.name for field in dataclasses.fields(settings) if field.name not in SECTIONS]
    assert sorted(documented()[section]) == sorted(named)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('auth_tokens = [""]', "auth_tokens"),
        ("resume_window_s = -1", "resume_window_s"),
        ("resume_max_bytes = -1", "resume_max_bytes"),
        ("idle_timeout_s = 0", "idle_timeout_s"),
        ("drain_s = inf", "drain_s"),
        ("idle_timeout = 5", "idle_timeout_s"),
        ("[limits]\nmax_opened = 3", "max_open"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, line: str, named: str) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError, match=named) as refused:
        load_serve_config(file)
    assert str(file) in str(refused.value)
