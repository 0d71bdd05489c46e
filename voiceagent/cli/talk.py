"""`voiceagent chat` and `voiceagent talk`: a language model with our voice, typed to or spoken to."""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from voiceagent.cli.options import (
    Language,
    OutputDevice,
    Policy,
    Speed,
    Voice,
    Weights,
    Words,
    make_agent,
    notes,
    speak_options,
)
from voiceagent.cli.run import run
from voiceagent.errors import InputError
from voiceagent.options import AUTO, DEFAULT_VOICE

if TYPE_CHECKING:
    from voiceagent.adapters.llm.chat_completions import ChatServer
    from voiceagent.adapters.llm.vllm_model import VllmModel
    from voiceagent.agent import VoiceAgent

SYSTEM = "You are heard, not read. Answer in a few short spoken sentences, without lists, tables or markup."
LOCAL_SERVER = "http://127.0.0.1:8000/v1"

Url = Annotated[str, typer.Option("--llm-url", envvar="OPENAI_BASE_URL", help="OpenAI-compatible server, with /v1.")]
Model = Annotated[str | None, typer.Option(help="Model, as the server calls it; left out, its first one.")]
Key = Annotated[str | None, typer.Option(envvar="OPENAI_API_KEY", help="Key for the server.")]
System = Annotated[str, typer.Option(help="Instructions for the model.")]
Vllm = Annotated[str | None, typer.Option("--vllm", metavar="FOLDER", help="Run this model here, with vLLM.")]
Microphone = Annotated[str | None, typer.Option(help="Microphone, as `voiceagent doctor` lists it.")]
Recogniser = Annotated[str, typer.Option(help="pocketsphinx, or whisper:MODEL.")]


class Duplex(StrEnum):
    """Whether we listen while we speak."""

    half = "half"
    full = "full"
    echo = "echo"


Listening = Annotated[
    Duplex,
    typer.Option(
        "--duplex",
        help="Interrupting by voice: half, not at all; full, with headphones; echo, with echo cancellation.",
    ),
]


def chat(
    llm_url: Url = LOCAL_SERVER,
    model: Model = None,
    api_key: Key = None,
    system: System = SYSTEM,
    vllm: Vllm = None,
    voice: Voice = DEFAULT_VOICE,
    language: Language = AUTO,
    speed: Speed = 1.0,
    device: OutputDevice = None,
    weights: Weights = None,
    lexicon: Words = None,
    policy: Policy = None,
) -> None:
    """Type to a language model, read and hear its answers. Ctrl-C stops an answer, a second one leaves."""
    from voiceagent.adapters.sound.local_audio import Loudspeaker
    from voiceagent.cli.say import as_typed
    from voiceagent.talk.chat import Chat, lines
    from voiceagent.talk.dialogue import Dialogue
    from voiceagent.talk.screens import TerminalScreen

    speak_options(voice, speed, language=language)
    loudspeaker = Loudspeaker(device=device)
    writer = _model(llm_url, model, api_key, vllm)

    try:
        # Not sys.stdin: a thread that waits inside its buffer would keep the interpreter from ending.
        keyboard = io.FileIO(0, closefd=False)
    except OSError as error:
        raise InputError(f"cannot read standard input: {error.strerror}") from error

    async def talking() -> None:
        async with (
            writer,
            _Loading(make_agent(weights, lexicon, policy)) as agent,
            agent.session(voice, speed=speed, language=language) as session,
            loudspeaker,
        ):
            going = Chat(Dialogue(system), writer, session, loudspeaker, TerminalScreen(Console(highlight=False)))
            _on_ctrl_c(going.interrupt)
            await going.run(lines(as_typed(keyboard)))

    run(talking())


def talk(
    llm_url: Url = LOCAL_SERVER,
    model: Model = None,
    api_key: Key = None,
    system: System = SYSTEM,
    vllm: Vllm = None,
    duplex: Listening = Duplex.half,
    recogniser: Recogniser = "pocketsphinx",
    voice: Voice = DEFAULT_VOICE,
    language: Language = AUTO,
    speed: Speed = 1.0,
    device: OutputDevice = None,
    microphone: Microphone = None,
    weights: Weights = None,
    lexicon: Words = None,
    policy: Policy = None,
) -> None:
    """Speak to a language model and hear its answers. Ctrl-C leaves."""
    from voiceagent.adapters.sound import local_audio
    from voiceagent.talk.dialogue import Dialogue
    from voiceagent.talk.echo import EchoCanceller
    from voiceagent.talk.floor import Floor
    from voiceagent.talk.recognition import make_recogniser
    from voiceagent.talk.screens import TalkScreen
    from voiceagent.talk.talk import Parts, Talk
    from voiceagent.talk.turns import TurnDetector, silero

    speak_options(voice, speed, language=language)
    canceller = EchoCanceller() if duplex is Duplex.echo else None
    loudspeaker = local_audio.Loudspeaker(device=device, listen=canceller.played if canceller else None)
    ears = local_audio.Microphone(device=microphone)
    detector = TurnDetector(silero())
    writer = _model(llm_url, model, api_key, vllm)
    with notes.status("loading the recogniser"):
        words = make_recogniser(recogniser)

    async def talking() -> None:
        async with (
            writer,
            _Loading(make_agent(weights, lexicon, policy)) as agent,
            agent.session(voice, speed=speed, language=language) as session,
            loudspeaker,
            ears,
        ):
            conversation = Floor(Dialogue(system), detector, duplex=duplex is not Duplex.half)
            screen = TalkScreen(Console(highlight=False))
            clean = canceller.clean if canceller else None
            notes.print("listening; Ctrl-C leaves")
            await Talk(Parts(conversation, words, writer, session, loudspeaker, screen, clean)).run(aiter(ears))

    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
        run(talking())


def _model(url: str, name: str | None, api_key: str | None, vllm: str | None) -> ChatServer | VllmModel:
    if vllm is None:
        from voiceagent.adapters.llm.chat_completions import ChatServer

        return ChatServer(url, name, api_key=api_key)
    if name is not None:
        raise InputError("--vllm names the model itself: leave --model out")
    from voiceagent.adapters.llm.vllm_model import VllmModel

    return VllmModel(vllm)


class _Loading:
    """The agent, with a note while its voices are being read."""

    def __init__(self, agent: VoiceAgent) -> None:
        self._agent = agent

    async def __aenter__(self) -> VoiceAgent:
        with notes.status("loading the voices"):
            return await self._agent.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._agent.__aexit__(*error)  # type: ignore[arg-type]


def _on_ctrl_c(call: Callable[[], None]) -> None:
    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, call)
    except NotImplementedError:
        return  # Windows: Ctrl-C leaves at once
