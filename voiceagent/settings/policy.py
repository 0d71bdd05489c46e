"""What is spoken of the things in a text that are not plain words: settings of a service, an agent or one utterance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args, get_type_hints

from voiceagent.errors import ConfigError
from voiceagent.settings.toml import read_toml

__all__ = ["Setting", "SpeechPolicy", "load_policy"]

Setting: TypeAlias = str | bool
_LONGEST_PHRASE: Final = 200


@dataclass(frozen=True, slots=True)
class SpeechPolicy:
    """What is spoken of markup, code and symbols. The defaults suit a conversation.

    "skip" says nothing, "phrase" says the phrase of that kind, "speak" reads the content. configs/serve.toml says what
    each key is for.

    Raises:
        ValueError: a value that is not one of the choices.
    """

    code_block: Literal["phrase", "skip", "speak"] = "phrase"
    code_phrase: str = "Code omitted."
    inline_code: Literal["speak", "skip"] = "speak"
    math_block: Literal["phrase", "skip", "speak"] = "phrase"
    math_phrase: str = "Formula omitted."
    inline_math: Literal["speak", "skip"] = "speak"
    table: Literal["speak", "skip", "phrase"] = "speak"
    table_phrase: str = "Table omitted."
    data: Literal["skip", "phrase"] = "skip"  # JSON and tool calls that leaked into the text
    data_phrase: str = "Data omitted."
    think: Literal["skip", "speak"] = "skip"  # <think> ... </think>
    image: Literal["alt", "skip"] = "alt"
    url: Literal["short", "full", "skip"] = "short"  # short: the site and at most two parts of the path
    emoji: Literal["skip", "name"] = "skip"
    hashtag: Literal["speak", "word"] = "speak"  # #tag: "hashtag tag" or "tag"
    list_numbers: bool = True
    footnotes: Literal["skip", "speak"] = "skip"
    emphasis: Literal["stress", "skip"] = (
        "stress"  # **so**, <emphasis>so</emphasis>, SO; skip: spoken like any other word
    )
    sounds: Literal["skip", "pause", "speak"] = "skip"  # [laughs], (sighs), *coughs*, <chuckle>: no voice makes them
    lexicon: str = ""  # the name of one of the service's lexicons, in place of its usual one

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            choices = get_args(kind)
            if choices and value not in choices:
                raise ValueError(f"speech.{name} is {value!r}; choices: {', '.join(choices)}")
            if not choices and not isinstance(value, kind):
                wanted = "true or false" if kind is bool else "text"
                raise ValueError(f"speech.{name} is {value!r}; it takes {wanted}")
            if isinstance(value, str) and len(value) > _LONGEST_PHRASE:
                raise ValueError(f"speech.{name} has more than {_LONGEST_PHRASE} characters")

    def with_changes(self, changes: Mapping[str, Setting] | None) -> SpeechPolicy:
        """This policy with some keys changed.

        Raises:
            ValueError: an unknown key, or a value that is not one of its choices.
        """
        if not changes:
            return self
        unknown = sorted(set(changes) - set(_KINDS))
        if unknown:
            raise ValueError(f"unknown key speech.{unknown[0]}; valid keys: {', '.join(_KINDS)}")
        return replace(self, **changes)  # type: ignore[arg-type]  # checked by __post_init__


_KINDS: Final = {field.name: get_type_hints(SpeechPolicy)[field.name] for field in fields(SpeechPolicy)}


def load_policy(path: Path) -> SpeechPolicy:
    """Reads the `[speech]` section of a TOML file (or its top level, where it has no such section).

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has a key or value that is not valid.
    """
    values = read_toml(path)
    section = values.get("speech", values)
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: speech is {section!r}; it takes a section, [speech]")
    try:
        return SpeechPolicy().with_changes(section)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
