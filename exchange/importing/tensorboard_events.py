"""TensorBoard event files: the scalars of each folder that holds some, one run a folder.

Files of the same folder are parts of one run, which was resumed. Of the texts only Transformers' arguments are read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.errors import EnvironmentProblem, SpecError
from exchange.importing.fields import FIELDS
from exchange.importing.log_table import LogTable, content_of
from exchange.importing.mapping import Target
from exchange.importing.metric_log import live_values, not_numbers, to_frame
from exchange.importing.metric_names import meaning_of
from exchange.importing.run_config import read_config

_PATTERN = "*tfevents*"
_ARGUMENTS = "args/text_summary"
_LENGTH = struct.Struct("<Q")
_RECORD_FRAME = 8 + 4 + 4


def read_tensorboard_folders(folders: Sequence[Path]) -> list[LogTable]:
    """A table a folder with event files, at any depth. SpecError if there is none."""
    tables = []
    for folder in folders:
        runs = sorted({path.parent for path in folder.rglob(_PATTERN)})
        if not runs:
            raise SpecError(f"{folder} holds no event files of TensorBoard.")
        for run in runs:
            name = folder.resolve().name if run == folder else run.relative_to(folder).as_posix()
            tables += _read_run(run, name)
    if not tables:
        raise SpecError(f"{', '.join(map(str, folders))}: the event files hold no scalars.")
    return tables


def _read_run(folder: Path, name: str) -> list[LogTable]:
    """The run's table, in a list; an empty one if it has no scalars (hyperparameters are logged to such folders)."""
    # The names begin with the time at which the file was begun.
    files = sorted(folder.glob(_PATTERN))
    values: list[tuple[int, str, float]] = []
    arguments: dict[str, Any] = {}
    for file in files:
        for step, tag, value in _values(file):
            if isinstance(value, float):
                values.append((step, tag, value))
            elif tag == _ARGUMENTS:
                arguments |= json.loads(value)
    rows, resumed = live_values(values)
    if not rows:
        return []
    sha256, num_bytes = content_of(files)
    frame, totals = to_frame(rows, step_name="step")
    targets, said = meaning_of(map(str, frame))
    automatic = {"step": Target(FIELDS["step"]), **targets}
    config = read_config(arguments)
    cut_off = [
        f"{file.name} is cut off in the middle of a record: incomplete, or still written to."
        for file in files
        if _is_cut_off(file)
    ]
    facts = {"run": name, **config.facts, **said}
    return [
        LogTable(
            str(folder), "tensorboard", sha256, num_bytes, frame, "step", automatic, facts,
            config.entries, config.keys, (*resumed, *totals, *cut_off), not_numbers(rows),
        )
    ]  # fmt: skip


def _is_cut_off(file: Path) -> bool:
    """Whether the file ends within a record: its length in 8 bytes, a checksum in 4, the content, a checksum in 4."""
    at, size = 0, file.stat().st_size
    with file.open("rb") as stream:
        while at < size:
            stream.seek(at)
            length = stream.read(_LENGTH.size)
            at += _RECORD_FRAME + (_LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else 0)
    return at != size


def _values(file: Path) -> Iterator[tuple[int, str, float | str]]:
    """Step, tag and value of the scalars and texts of a file, in the order in which they were written."""
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
        from tensorboard.util import tensor_util
    except ImportError as error:
        raise EnvironmentProblem("Reading event files needs tensorboard; install rlsweep[tensorboard].") from error
    plugins: dict[str, str] = {}
    for event in EventFileLoader(str(file)).Load():
        for summary in event.summary.value:
            # Only a tag's first value in a file has to say what it is.
            plugin = plugins.setdefault(summary.tag, summary.metadata.plugin_data.plugin_name)
            if plugin == "scalars":
                yield event.step, summary.tag, float(tensor_util.make_ndarray(summary.tensor).item())
            elif plugin == "text":
                yield event.step, summary.tag, tensor_util.make_ndarray(summary.tensor).ravel()[0].decode()
