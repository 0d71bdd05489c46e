"""The tables of docs/editing.md, from the last lines of runs of the benchmark: no figure there is typed.

voiceagent bench editing > heart.log; python benchmarks/instruments/editing_page.py docs/editing.md heart.log [MORE.log ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
ROWS = {
    "edits": "edits",
    "refused": "refused",
    "new_words_wrong_percent": "new words wrong, %",
    "said_whole_new_words_wrong_percent": "the same words where the speaker says the new sentence whole, %",
    "rest_wrong_percent": "words of the rest wrong, %",
    "said_whole_rest_wrong_percent": "the same where the sentence is said whole, %",
    "removed_words_still_heard": "removed words still heard",
    "p808": "DNSMOS P.808",
    "ovrl": "DNSMOS OVRL",
    "seams": "peaks at seams (seams; by chance)",
    "unchanged_percent": "samples unchanged bit for bit, %",
    "speaker_whole": "speaker: edited recording against the original",
    "speaker_new_speech": "speaker: new speech against the original",
    "speaker_same_place_before": "speaker: what it replaced against the original",
}


def cell(value: object) -> str:
    """A figure as it was measured."""
    if isinstance(value, dict):
        return f"{value['peaks']} ({value['joins']}; {value['peaks_by_chance']})"
    return "" if value is None else str(value)


def table(run: Mapping[str, Any]) -> str:
    """One run as Markdown: figures down, kinds of edit across."""
    kinds = {kind: dict(row) for kind, row in run["kinds"].items()}
    before = kinds["unedited"]
    heard = f"{before['wer_percent']} ± {before['wer_standard_error']}"
    kinds["unedited"] = {"rest_wrong_percent": heard, "p808": before["p808"], "ovrl": before["ovrl"]}
    present = [name for name in ROWS if any(row.get(name) is not None for row in kinds.values())]
    lines = [f"| | {' | '.join(kinds)} |", "| --- |" + " ---: |" * len(kinds)]
    lines += [f"| {ROWS[name]} | {' | '.join(cell(row.get(name)) for row in kinds.values())} |" for name in present]
    machine, source = run["machine"], Path(run["source"]).name
    title = f"**Recordings: {source}; voice {run['voice']}** ({machine['date']}, {machine['cpu']})"
    return "\n".join([title, "", *lines, ""])


def write(page: Path, logs: Sequence[Path]) -> None:
    """Put the tables of these runs in place of those that the page has.

    Raises:
        SystemExit: a log does not end in results, or the page has no place for them.
    """
    tables = []
    for log in logs:
        lines = log.read_text(encoding="utf-8").splitlines()
        if not lines or not lines[-1].startswith('{"benchmark": "editing"'):
            raise SystemExit(f"{log} does not end in the results of `voiceagent bench editing`: let the run finish")
        tables.append(table(json.loads(lines[-1])))
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no lines {BEGIN.strip()} and {END.strip()} to put the tables between")
    page.write_text(before + begin + "\n" + "\n".join(tables) + "\n" + end + after, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit((__doc__ or "").strip())
    write(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
