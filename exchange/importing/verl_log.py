"""verl's own logs: the JSON lines of its `file` logger, and what its `console` logger printed.

A console log may hold anything else: Ray's prefixes and colours, progress bars, other processes' lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.errors import SpecError
from exchange.importing.fields import FIELDS
from exchange.importing.log_table import LogTable, content_of
from exchange.importing.mapping import Request, Target
from exchange.importing.metric_log import live_rows, not_numbers, to_frame
from exchange.importing.metric_names import meaning_of

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_STEP = re.compile(r"(?:^|[\s)])step:(\d+) - ")
# NumPy 2 prints its numbers as np.float64(0.5); a progress bar may follow the last metric.
_METRIC = re.compile(
    r"(?P<name>\S.*?):(?:np\.\w+\()?(?P<value>[-+]?(?:nan|inf(?:inity)?|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?))\)?(?=\s|$)",
    re.IGNORECASE,
)


def read_verl_files(paths: Sequence[Path], request: Request) -> list[LogTable]:
    """A run a file, named like it; all files are parts of one run, in order, if the user named the run."""
    parts = [paths] if "run" in request.constants else [[path] for path in paths]
    return [_read_run(files) for files in parts]


def _read_run(files: Sequence[Path]) -> LogTable:
    sha256, num_bytes = content_of(files)
    cut_off: list[str] = []
    rows, resumed = live_rows(row for file in files for row in _rows(file, cut_off))
    names = ", ".join(map(str, files))
    if not rows:
        raise SpecError(
            f"{names} holds no steps of verl: neither JSON lines with `step` and `data`, nor lines with `step:1 - ...`."
        )
    frame, totals = to_frame(rows, step_name="step")
    targets, facts = meaning_of(map(str, frame))
    automatic = {"step": Target(FIELDS["step"]), **targets}
    facts = {"run": files[0].stem, **facts}
    return LogTable(
        names, "verl", sha256, num_bytes, frame, "step", automatic, facts, notes=(*resumed, *totals, *cut_off),
        not_numbers=not_numbers(rows),
    )  # fmt: skip


def _rows(file: Path, cut_off: list[str]) -> Iterator[tuple[int, dict[str, float]]]:
    """Step and metrics of each line that has them. SpecError for a broken JSON line, unless a crash cut it off.

    A last line that was cut off is told in `cut_off`. Of a console line without an end the last number may be half
    of one, so that metric is left out.
    """
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.startswith("{"):
                found = list(_json_row(line, f"{file}, line {number}"))
                lost = "" if found or line.endswith("\n") else "it is left out"
            else:
                found = list(_console_row(line))
                lost = "its last metric is left out" if found and not line.endswith("\n") else ""
            if lost:
                cut_off.append(f"Line {number} is cut off, {lost}: the log is incomplete, or still written to.")
            yield from found


def _json_row(line: str, place: str) -> Iterator[tuple[int, dict[str, float]]]:
    try:
        row = json.loads(line)
        step, data = row["step"], row["data"]
    except json.JSONDecodeError as error:
        if not line.endswith("\n"):
            return
        raise SpecError(f"{place}: not a whole JSON line ({error}).") from error
    except KeyError:
        return  # a console log may print JSON of its own
    if isinstance(step, int) and isinstance(data, dict):
        yield step, {str(name): float(value) for name, value in data.items() if _is_number(value)}


def _console_row(line: str) -> Iterator[tuple[int, dict[str, float]]]:
    plain = _COLOUR.sub("", line)
    if found := _STEP.search(plain):
        parts = plain[found.end() :].split(" - ")
        metrics = (_METRIC.match(part) for part in (parts if line.endswith("\n") else parts[:-1]))
        yield int(found[1]), {metric["name"]: float(metric["value"]) for metric in metrics if metric}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
