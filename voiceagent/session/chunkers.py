"""The chunkers of `voiceagent.text` as a session asks for them: each utterance with its own policy and lexicon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from voiceagent.errors import InputError
from voiceagent.session.interface import Chunker, MakeChunker
from voiceagent.settings.policy import Setting, SpeechPolicy


def default_chunker(speech: Mapping[str, Setting] | None = None, /) -> Chunker:
    """The chunker of `voiceagent.text`, imported when the first utterance needs it."""
    from voiceagent.text.chunker import Chunker as TextChunker

    policy = SpeechPolicy().with_changes(speech)
    if policy.lexicon:
        raise _no_lexicon(policy.lexicon, ())
    return TextChunker(policy)


def chunker_with(
    lexicon: Path | None, policy: SpeechPolicy | None = None, lexicons: Mapping[str, Path] | None = None
) -> MakeChunker:
    """Makes chunkers that know a user's lexicon (TOML: word -> respelling or phonemes) and speak markup by a policy.

    lexicons: further ones by name; an utterance whose policy names one has it in place of `lexicon`.

    Raises:
        InputError: a lexicon cannot be used. The chunkers raise it for a name that is none of these.
    """
    from voiceagent.text.chunker import Chunker as TextChunker
    from voiceagent.text.phonemes.lexicon import Lexicon

    words = Lexicon.load(lexicon) if lexicon is not None else None
    named = {name: Lexicon.load(path) for name, path in (lexicons or {}).items()}
    own = policy or SpeechPolicy()

    def make(speech: Mapping[str, Setting] | None = None, /) -> Chunker:
        wanted = own.with_changes(speech)
        if wanted.lexicon and wanted.lexicon not in named:
            raise _no_lexicon(wanted.lexicon, named)
        return TextChunker(wanted, lexicon=named.get(wanted.lexicon, words))

    make(None)  # a policy that names a lexicon which is not there fails now
    return make


def _no_lexicon(name: str, named: Iterable[str]) -> InputError:
    here = ", ".join(sorted(named)) or "none; lexicons are named in the settings of the service"
    return InputError(f"there is no lexicon {name[:80]!r}; lexicons here: {here}")


def warm_up(make_chunker: MakeChunker) -> None:
    """Loads what the first number in a text would load, before an event loop has to wait for it."""
    chunker = make_chunker()
    chunker.feed("It costs $5 on May 3rd, 2024. ")
    chunker.end()
