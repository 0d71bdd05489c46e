"""Reading a TOML file that a user has written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from voiceagent.errors import ConfigError


def read_toml(path: Path) -> dict[str, Any]:
    """What is in the file.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
