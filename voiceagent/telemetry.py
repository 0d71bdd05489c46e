"""What libraries would report to their makers, switched off before any of them is imported.

Importing `voiceagent` does this, so it holds for the command, the service, the Python interface and every process that
they start. A value that the user has set stays.
"""

from __future__ import annotations

import os

SWITCHES = {
    # From 1.29 on it uploads events and keeps an identifier and a database below ~/.cache/Microsoft, in every process.
    # Its function `disable_telemetry_events` comes too late for all three; this is read once, when it is imported.
    "ORT_DISABLE_TELEMETRY": "1",
    # faster-whisper fetches a model that was asked for by name through the Hugging Face hub, which would add who asks.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_NO_USAGE_STATS": "1",
    # What tools without a switch of their own go by: https://consoledonottrack.com
    "DO_NOT_TRACK": "1",
}


def switch_off() -> None:
    """Sets the switches in the environment of this process, which its children inherit."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
