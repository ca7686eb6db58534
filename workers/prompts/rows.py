"""From parquet rows to prompts: which columns a row needs, and what is wrong with one that cannot be used.

The columns are those of verl's training files: `data_source`, `prompt` (a list of messages), `reward_model`
(`ground_truth`) and `extra_info` (`qwen2.5_7b_pass_rate`, and `split` where it is told). A row that cannot be used
is an error, never left out: a shorter pool would be a different experiment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from db.errors import SpecError
from workers.prompts import Message, Prompt

COLUMNS = ("data_source", "prompt", "reward_model", "extra_info")
DIFFICULTY = "qwen2.5_7b_pass_rate"
PANDAS_INDEX = "__index_level_0__"  # where pandas keeps the index of a frame that is a part of another

Split = Literal["train", "test"]


def read_prompts(files: Sequence[Path], *, split: Split) -> tuple[Prompt, ...]:
    """The rows of all files, in order. Those that say they belong to another split are refused.

    `index` is the place that pandas stored with each row, else the row's number over all files. Raises SpecError.
    """
    tables = [_read_table(path) for path in files]
    if not any(table.num_rows for table in tables):
        raise SpecError(f"{', '.join(map(str, files))}: there is no row to take a prompt from")
    places = _places(files, tables)
    return tuple(
        _prompt(row, index=next(places), where=f"{path}, row {number}", split=split)
        for path, table in zip(files, tables, strict=True)
        for number, row in enumerate(_rows(table))
    )


def _read_table(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # ParquetFile, because read_table would make a column of every `name=value` folder on the way.
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                raise SpecError(
                    f"{path}: there is no column {', '.join(missing)}; prompts need {', '.join(COLUMNS)}, "
                    f"and the file has {', '.join(names)}"
                )
            return file.read([name for name in (*COLUMNS, PANDAS_INDEX) if name in names])
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SpecError(f"{path} cannot be read as a parquet file ({reason}); correct the path or the file") from error


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.select(COLUMNS).to_batches(max_chunksize=4096):
        yield from batch.to_pylist()


def _places(files: Sequence[Path], tables: Sequence[Any]) -> Iterator[int]:
    import pyarrow as pa

    if not all(PANDAS_INDEX in table.column_names for table in tables) or not all(
        pa.types.is_integer(table.schema.field(PANDAS_INDEX).type) for table in tables
    ):
        return iter(range(sum(table.num_rows for table in tables)))
    places = [place for table in tables for place in table.column(PANDAS_INDEX).to_pylist()]
    if len(set(places)) < len(places):
        raise SpecError(
            f"{', '.join(map(str, files))}: the stored index ({PANDAS_INDEX}) names rows twice, so the files overlap; "
            "name one of them, or store them without pandas' index"
        )
    return iter(places)


def _prompt(row: dict[str, Any], *, index: int, where: str, split: Split) -> Prompt:
    extra = row["extra_info"] if isinstance(row["extra_info"], dict) else {}
    told = extra.get("split")
    if told not in (None, split):
        raise SpecError(f"{where}: it belongs to split {told!r}, and {split!r} is wanted; choose another file")
    if not isinstance(row["data_source"], str):
        raise SpecError(f"{where}: `data_source` is {row['data_source']!r}, and it must name who scores the answer")
    return Prompt(
        messages=_messages(row["prompt"], where),
        answer=_answer(row["reward_model"], where),
        data_source=row["data_source"],
        pass_rate=_pass_rate(extra.get(DIFFICULTY), where),
        index=index,
    )


def _messages(prompt: object, where: str) -> tuple[Message, ...]:
    turns = prompt if isinstance(prompt, list) else []
    if not turns or not all(_is_message(turn) for turn in turns):
        raise SpecError(f"{where}: there is no prompt: `prompt` must be a list of messages with `role` and `content`")
    return tuple(Message(turn["role"], turn["content"]) for turn in turns)


def _is_message(turn: object) -> bool:
    if not isinstance(turn, dict):
        return False
    return all(isinstance(turn.get(key), str) and turn[key].strip() for key in ("role", "content"))


def _answer(reward_model: object, where: str) -> str:
    answer = reward_model.get("ground_truth") if isinstance(reward_model, dict) else None
    if not isinstance(answer, str) or not answer.strip():
        raise SpecError(f"{where}: there is no answer: `reward_model.ground_truth` must be text, not {answer!r}")
    return answer


def _pass_rate(value: object, where: str) -> float | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise SpecError(f"{where}: `extra_info.{DIFFICULTY}` is {value!r}, and it must be from 0 to 1")
    return float(value)
