"""docs/results/paper.md, from a template and the tables that are there: no figure in it is typed.

In the template, where ROW is the label of a row, to its end, or its number as #1, and several layouts or voices of a picture have
commas between them:

    {{table NAME LAYOUT VOICE}}  {{picture NAME LAYOUT VOICE}}  {{figure NAME LAYOUT VOICE KEY ROW}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reproduction.plots import PICTURES, draw
from reproduction.results import HEADINGS, Table, written

TEMPLATE = Path(__file__).with_suffix(".md")
PLACE = re.compile(r"\{\{(table|picture|figure) ([^}]+)\}\}")


class TemplateError(Exception):
    """The template asks for what no table can give."""


def missing(name: str, layout: str, voice: str) -> str:
    """What stands in the document for a table that was not made."""
    return f"*Not measured yet: `voiceagent bench paper --table {name} --layout {layout} --voice {voice}`.*"


def described(table: Table) -> str:
    """A table with its notes and how it was made."""
    run = table.run
    machine = run["machine"]
    command = f"voiceagent bench paper --table {table.name} --layout {table.layout} --voice {table.voice}"
    made = f"`{command} --set {run['set']} --limit {run['limit']}`; {machine['date']}, {machine['cpu']}, load {machine['load']}."
    heading = f"**{table.title}** ({table.layout} layout, {table.voice})"
    notes = "; ".join(table.notes).rstrip(".") + "."
    return "\n\n".join((heading, table.markdown(), notes[:1].upper() + notes[1:], made))


def page(tables: Mapping[tuple[str, str, str], Table], template: str, folder: Path) -> str:
    """The document; pictures go into `folder`.

    Raises:
        TemplateError: a placeholder that cannot be filled whatever is measured.
    """

    def filled(match: re.Match[str]) -> str:
        kind, words = match[1], match[2].split(" ")
        if kind == "table" and len(words) == 3:
            return _table(tables, *words)
        if kind == "picture" and len(words) == 3 and words[0] in PICTURES:
            return _picture(tables, folder, *words)
        if kind == "figure" and len(words) > 4 and words[3] in HEADINGS:
            return _figure(tables, *words[:4], label=" ".join(words[4:]))
        raise TemplateError(f"{match[0]} is no placeholder; they are described in {Path(__file__).name}")

    return PLACE.sub(filled, template)


def _table(tables: Mapping[tuple[str, str, str], Table], name: str, layout: str, voice: str) -> str:
    found = tables.get((name, layout, voice))
    return missing(name, layout, voice) if found is None else described(found)


def _picture(tables: Mapping[tuple[str, str, str], Table], folder: Path, name: str, layouts: str, voices: str) -> str:
    keys = [(name, layout, voice) for layout in layouts.split(",") for voice in voices.split(",")]
    found = [tables[key] for key in keys if key in tables]
    if not found:
        return ""  # the table below says how to make it
    path = folder / f"paper-{name}-{layouts}-{voices}.png".replace(",", "-")
    draw(name, found, path)
    return f"![{found[0].title}]({path.name})"


def _figure(
    tables: Mapping[tuple[str, str, str], Table], name: str, layout: str, voice: str, key: str, *, label: str
) -> str:
    table = tables.get((name, layout, voice))
    rows = [] if table is None else table.rows
    row = next((row for place, row in enumerate(rows, 1) if label in (row.label, f"#{place}")), None)
    # Other weights have other rows (the heads that follow best, the steps that were kept); the table itself is there.
    return "(not measured)" if row is None else written(row.figures, key) or "(not measured)"


def write(tables: Mapping[tuple[str, str, str], Table], path: Path) -> None:
    """Write the document, and its pictures beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(tables, TEMPLATE.read_text(encoding="utf-8"), path.parent), encoding="utf-8")
