"""What `rlsweep data` has found, for a terminal, for programs and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from workers.prompts import Prompt
    from workers.prompts.duplicates import NearDuplicate
    from workers.prompts.inspection import Inspection, Quantiles
    from workers.spec import Data

_SHOWN_LETTERS = 90
_SHOWN_PAIRS = 50
_NO_WIDTH = 100_000  # a pipe has no width: its reader wants whole lines


def prompts_console() -> Console:
    """Lines are wrapped on a terminal, and nowhere else."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=_NO_WIDTH)


def print_inspection(console: Console, data: Data, seen: Inspection) -> None:
    """Print what is in the prompts of `data`."""
    console.print(f"{data.name}: {_counted(seen.kept.rows, 'row')} in {_counted(len(seen.files), 'file')}")
    console.print(f"  columns    {', '.join(dict.fromkeys(name for name, _ in seen.columns))}")
    for line in _dropped(data, seen):
        console.print(f"  dropped    {line}")
    for number, (source, count) in enumerate(seen.sources.items()):
        console.print(f"  {'sources' if number == 0 else '       '}    {count:>8,}  {_plain(source)}")
    console.print(
        f"  difficulty {seen.easy:,} easy (pass rate >= 0.3), {seen.hard:,} hard, {seen.unknown:,} without a pass rate"
    )
    console.print(_lengths(seen))
    for line in _oddities(seen):
        console.print(f"  note       {line}")
    if seen.heldout is not None:
        console.print(
            f"  held out   {_counted(seen.heldout.problems, 'problem')}; {seen.heldout.trained_on:,} of them are "
            "trained on to the letter (`rlsweep data near-duplicates` finds other words)"
        )
    console.print(f"  pool       {_counted(seen.pool, 'prompt')}; a trial of tau goes through")
    console.print(_slices(seen))


def inspection_as_json(data: Data, seen: Inspection) -> dict[str, Any]:
    """The same as what `json.dumps` takes."""
    return {"data": data.model_dump(exclude_defaults=True), **asdict(seen), "columns": dict(seen.columns)}


def print_pairs(console: Console, pairs: Sequence[NearDuplicate], *, problems: int, threshold: float) -> None:
    """Print how many held-out problems are trained on, and the pairs, the most similar first."""
    found = {pair.heldout.index for pair in pairs}
    same = {pair.heldout.index for pair in pairs if pair.similarity == 1.0}
    rows = {pair.training.index for pair in pairs}
    console.print(
        f"{len(found):,} of {problems:,} held-out problems are nearly the same as "
        f"{_counted(len(rows), 'training row')} (similarity >= {threshold:g}); {len(same):,} of them have the same "
        "letters and digits."
    )
    ordered = sorted(pairs, key=lambda pair: -pair.similarity)
    for pair in ordered[:_SHOWN_PAIRS]:
        console.print(f"{pair.similarity:.3f}  trained on  {pair.training.index:>6}  {_shortened(pair.training)}")
        console.print(f"       held out    {pair.heldout.index:>6}  {_shortened(pair.heldout)}", style="dim")
    if len(pairs) > _SHOWN_PAIRS:
        console.print(f"... and {len(pairs) - _SHOWN_PAIRS:,} more pairs; -o FILE.csv has all of them")


def pairs_as_json(pairs: Sequence[NearDuplicate], *, problems: int, threshold: float) -> dict[str, Any]:
    """The same as what `json.dumps` takes; texts are shortened as on the terminal."""
    return {
        "threshold": threshold,
        "heldout_problems": problems,
        "near_duplicates": len({pair.heldout.index for pair in pairs}),
        "same_letters": len({pair.heldout.index for pair in pairs if pair.similarity == 1.0}),
        "training_rows": len({pair.training.index for pair in pairs}),
        "pairs": [_row(pair, _shortened(pair.training), _shortened(pair.heldout)) for pair in pairs],
    }


def write_pairs(file: Path, pairs: Sequence[NearDuplicate]) -> None:
    """Write every pair with whole texts as CSV."""
    from db.errors import SpecError

    names = list(_NAMES)
    try:
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(_row(pair, pair.training.text, pair.heldout.text) for pair in pairs)
    except OSError as error:
        raise SpecError(f"cannot write {file}: {error.strerror}; choose another file with -o") from error


_NAMES = (
    "similarity", "training_index", "heldout_index", "training_sha256", "heldout_sha256", "training_answer",
    "heldout_answer", "training_text", "heldout_text",
)  # fmt: skip


def _row(pair: NearDuplicate, training_text: str, heldout_text: str) -> dict[str, Any]:
    values = (
        pair.similarity, pair.training.index, pair.heldout.index, pair.training.row_sha256, pair.heldout.row_sha256,
        pair.training.answer, pair.heldout.answer, training_text, heldout_text,
    )  # fmt: skip
    return dict(zip(_NAMES, values, strict=True))


def _dropped(data: Data, seen: Inspection) -> list[str]:
    counts = {
        "of other sources": seen.kept.rows - seen.kept.of_sources,
        "nearly held-out problems": seen.kept.near_duplicates,
        f"of more than {data.max_prompt_tokens:,} tokens": seen.kept.too_long or 0,
    }
    return [f"{_counted(count, 'row')} {reason}" for reason, count in counts.items() if count]


def _oddities(seen: Inspection) -> list[str]:
    counts = {
        f"{_counted(seen.repeated, 'row')} with the prompt of an earlier one, {seen.contradicting:,} of them with "
        "another answer": seen.repeated,
        f"{_counted(seen.quoted, 'prompt')} that are the text of a Python list of messages": seen.quoted,
        "there is no pass rate: prompts are taken in the order of the file": seen.pass_rates is None,
    }
    return [sentence for sentence, holds in counts.items() if holds]


def _lengths(seen: Inspection) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("  ", "least", "lower quarter", "median", "upper quarter", "greatest"):
        table.add_column(name, justify="left" if name == "  " else "right")
    rows = (("pass rate", seen.pass_rates), ("characters", seen.characters), ("tokens", seen.tokens))
    for name, found in rows:
        if found is not None:
            table.add_row(f"  {name}", *_numbers(found))
    return table


def _numbers(found: Quantiles) -> list[str]:
    return [f"{value:,.4g}" if value < 10_000 else f"{value:,.0f}" for value in
            (found.least, found.lower, found.median, found.upper, found.greatest)]  # fmt: skip


def _slices(seen: Inspection) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("         tau", "prompts", "easy", "hard or unknown", "distinct"):
        table.add_column(name, justify="right")
    for each in seen.slices:
        numbers = (each.tau, each.prompts, each.easy, each.prompts - each.easy, each.unique)
        table.add_row(*(f"{number:,}" for number in numbers))
    return table


def _shortened(prompt: Prompt) -> str:
    from workers.prompts.duplicates import bare_problem

    plain = _plain(bare_problem(prompt))
    return plain if len(plain) <= _SHOWN_LETTERS else f"{plain[: _SHOWN_LETTERS - 1]}…"


def _plain(text: str) -> str:
    """One line: what a file holds must not steer the terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
