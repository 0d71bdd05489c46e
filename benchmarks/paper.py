"""The paper's claims (LLaDA-TTS, arXiv 2603.26364) at our size, one table a run.

    voiceagent bench paper [--table NAME ...] [--layout aligned|prefix] [--voice heart|joe] [--limit N]
    voiceagent bench paper --write docs/results/paper.md

A table is kept as JSON in --results; --write puts those that are there into the document, with plots beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from instruments.machine import CONSOLE, announce, finish
from instruments.teachers import TEACHER_OF
from reproduction import alignment as paper_alignment
from reproduction import commitment as paper_commitment
from reproduction import conversion as paper_conversion
from reproduction import decoding as paper_decoding
from reproduction import dependence as paper_dependence
from reproduction import lengths as paper_lengths
from reproduction import page as paper_page
from reproduction import streaming as paper_streaming
from reproduction.results import Table, load, save
from reproduction.stand import NotTrained, Stand

CAVEATS = (
    "the number of tokens is predicted before they are, by the shipped voices, for all that is compared",
    "Whisper tiny.en and DNSMOS judge; one thread; ± is one standard error over sentences",
    "time is processor time for tokens alone (spelling to sound and the decoder are the same for all)",
)
MAKERS: dict[str, Callable[[Stand], Table]] = {
    "parent": paper_decoding.parent,
    "conversion": paper_conversion.conversion,
    "dependence": paper_dependence.dependence,
    "order": paper_commitment.order,
    "steps": paper_decoding.steps,
    "orders": paper_decoding.orders,
    "blocks": paper_decoding.blocks,
    "sampling": paper_decoding.sampling,
    "mixing": paper_streaming.mixing,
    "streaming": paper_streaming.streaming,
    "length": paper_lengths.length,
    "durations": paper_lengths.durations,
    "alignment": paper_alignment.alignment,
    "check": paper_alignment.check,
}
OF_ALIGNED = {"durations"}  # tables that the other layout does not have


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench paper", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--table", choices=tuple(MAKERS), action="append", help="tables to make (default: all whose models are there)"
    )
    parser.add_argument("--layout", choices=("aligned", "prefix"), default="aligned", help="how text enters")
    parser.add_argument("--voice", choices=sorted(TEACHER_OF), default="heart")
    parser.add_argument("--set", default="librispeech_like", choices=("librispeech_like", "conversation"))
    parser.add_argument("--limit", type=int, default=30, help="sentences (default 30, 100 at most)")
    parser.add_argument("--runs", type=Path, default=Path("runs/paper"), help="folder of parent and conversions")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    parser.add_argument("--results", type=Path, default=Path("runs/paper/results"), help="folder of the tables")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page from the tables that are there")
    options = parser.parse_args(arguments)
    if options.limit < 1:
        parser.error("--limit: at least one sentence")
    return options


def write(options: argparse.Namespace) -> None:
    """The page from the tables that are there."""
    tables = load(options.results)
    if not tables:
        raise SystemExit(f"no tables in {options.results}: make some first, as `voiceagent bench paper --table steps`")
    paper_page.write(tables, options.write)
    CONSOLE.print(f"{len(tables)} tables in {options.write}", highlight=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Tables for people, last line JSON."""
    options = parse(arguments)
    if options.write and not options.table:
        write(options)
        return
    machine = announce(f"paper, {options.layout} layout, voice {options.voice}, {options.set}", CAVEATS)
    stand = Stand(options)
    run = {"machine": machine, "set": options.set, "limit": options.limit}
    made = {}
    everything = [name for name in MAKERS if options.layout == "aligned" or name not in OF_ALIGNED]
    for name in options.table or everything:
        try:
            table = replace(MAKERS[name](stand), run=run)
        except NotTrained as missing:
            if options.table:
                raise
            CONSOLE.print(f"left out: {name}: {missing}", highlight=False)
            continue
        table.show()
        path = save(options.results, table)
        CONSOLE.print(f"kept in {path}", highlight=False)
        made[name] = [{"": row.label} | row.figures for row in table.rows]
    if options.write:
        write(options)
    finish("paper", machine, {"layout": options.layout, "voice": options.voice, "tables": made})


if __name__ == "__main__":
    main()
