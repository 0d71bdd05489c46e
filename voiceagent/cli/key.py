"""`voiceagent key`: makes a key of which the settings keep the hash alone."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from voiceagent.errors import InputError


def key(
    name: Annotated[str, typer.Argument(help="Who gets it; in logs and counters.")],
    max_utterances: Annotated[int, typer.Option(min=0, help="Utterances open at once; 0 is no limit of its own.")] = 0,
    chars_per_minute: Annotated[int, typer.Option(min=0, help="Characters taken in a minute; 0 is no limit.")] = 0,
) -> None:
    """Make a key for a client of the service: it is shown once, the settings get its hash."""
    from voiceagent.settings.keys import KeyConfig, hash_of, new_key

    made = new_key()
    try:
        config = KeyConfig(name, hash_of(made), max_utterances, chars_per_minute)
    except ValueError as error:
        raise InputError(str(error)) from error
    typer.echo(f"the key of {name}; it is shown once: {made}", err=True)
    typer.echo("what comes next goes to the end of the settings: voiceagent key NAME >> serve.toml", err=True)
    lines = ["[[keys]]", f"name = {json.dumps(name, ensure_ascii=False)}", f'hash = "{config.hash}"']
    lines += [
        f"{field} = {value}" for field in ("max_utterances", "chars_per_minute") if (value := getattr(config, field))
    ]
    typer.echo("\n".join(lines))
