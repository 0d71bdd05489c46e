"""How a chat and a talk look in a terminal, or in a file that their output goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from voiceagent.errors import VoiceAgentError


class TerminalScreen:
    """The answer as it is written, dim until it has been heard; without a terminal, plain text as it comes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._printed = 0

    def ask(self) -> None:
        if self._console.is_terminal:
            self._console.print("[bold]> [/]", end="")

    def update(self, text: str, heard: str) -> None:
        if not self._console.is_terminal:
            self._console.file.write(printable(text[self._printed :]))
            self._console.file.flush()
            self._printed = len(text)
            return
        if self._live is None:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        # Only as much as fits: a live view cannot scroll. The whole of it is printed when it is over.
        rows = _marked(text, heard, "dim").wrap(self._console, self._console.width)
        self._live.update(Group(*rows[-max(1, self._console.height - 3) :]), refresh=True)

    def end(self, text: str, heard: str, error: VoiceAgentError | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            self._console.print(_marked(text, heard, "dim strike"))
        else:
            self.update(text, heard)
            self._console.print()
        self._printed = 0
        if error is not None:
            self._console.print(Text(f"voiceagent: {printable(str(error))}", style="red"), soft_wrap=True)


class TalkScreen:
    """What was said and answered, a line each."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def said(self, text: str) -> None:
        shown = Text(f"you: {printable(text)}", style="bold") if text else Text("(no words recognised)", style="dim")
        self._console.print(shown, soft_wrap=True)

    def answered(self, heard: str, *, interrupted: bool) -> None:
        if heard or not interrupted:
            self._console.print(
                Text(f"agent: {printable(heard.strip())}{' ...' if interrupted else ''}"), soft_wrap=True
            )

    def failed(self, error: VoiceAgentError) -> None:
        self._console.print(Text(f"voiceagent: {printable(str(error))}", style="red"), soft_wrap=True)


def printable(text: str) -> str:
    """Without what would steer a terminal."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def _marked(text: str, heard: str, unheard_style: str) -> Text:
    return Text(printable(heard)) + Text(printable(text[len(heard) :]), style=unheard_style)
