"""From parquet rows to prompts: which columns a row needs, and what is wrong with one that cannot be used.

The columns are those of verl's training files: `data_source`, `prompt` (a list of messages) and `reward_model`
(`ground_truth`). A pass rate is a column of its own, as guru-RL-92k has it, or in `extra_info`, as its ordered maths
part has it; `extra_info` may also say the `split` and the `prefix` of a program. A row that cannot be used is an
error, never left out: a shorter pool would be a different experiment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.errors import SpecError
from workers.prompts import Message, Prompt
from workers.prompts.ground_truth import answer_text
from workers.prompts.source import Split

COLUMNS = ("data_source", "prompt", "reward_model")
DIFFICULTY = "qwen2.5_7b_pass_rate"
OPTIONAL_COLUMNS = ("extra_info", DIFFICULTY, "apply_chat_template")
PANDAS_INDEX = "__index_level_0__"  # where pandas keeps the index of a frame that is a part of another

_SAME_SPLIT = {"train": ("train",), "test": ("test", "val", "validation")}


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
            return file.read([name for name in (*COLUMNS, *OPTIONAL_COLUMNS, PANDAS_INDEX) if name in names])
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SpecError(f"{path} cannot be read as a parquet file ({reason}); correct the path or the file") from error


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=4096):
        yield from batch.to_pylist()


def _places(files: Sequence[Path], tables: Sequence[Any]) -> Iterator[int]:
    import pyarrow as pa

    counted_on = iter(range(sum(table.num_rows for table in tables)))
    if not all(PANDAS_INDEX in table.column_names for table in tables) or not all(
        pa.types.is_integer(table.schema.field(PANDAS_INDEX).type) for table in tables
    ):
        return counted_on
    places = [place for table in tables for place in table.column(PANDAS_INDEX).to_pylist()]
    if len(set(places)) == len(places):
        return iter(places)
    if _is_one_row_twice(places, tables):
        raise SpecError(
            f"{', '.join(map(str, files))}: the stored index ({PANDAS_INDEX}) names rows twice, so the files overlap; "
            "name one of them, or store them without pandas' index"
        )
    return counted_on  # parts of several frames, each with an index of its own


def _is_one_row_twice(places: Sequence[int], tables: Sequence[Any]) -> bool:
    prompts = (row for table in tables for row in table.column("prompt").to_pylist())
    seen: dict[int, object] = {}
    for place, prompt in zip(places, prompts, strict=True):
        if place in seen and seen[place] == prompt:
            return True
        seen[place] = prompt
    return False


def _prompt(row: dict[str, Any], *, index: int, where: str, split: Split) -> Prompt:
    extra = row["extra_info"] if isinstance(row.get("extra_info"), dict) else {}
    told = extra.get("split")
    if told is not None and told not in _SAME_SPLIT[split]:
        raise SpecError(f"{where}: it belongs to split {told!r}, and {split!r} is wanted; choose another file")
    if not isinstance(row["data_source"], str):
        raise SpecError(f"{where}: `data_source` is {row['data_source']!r}, and it must name who scores the answer")
    if row.get("apply_chat_template") is False:
        raise SpecError(
            f"{where}: `apply_chat_template` is false, and every prompt goes through the model's chat template here; "
            "leave such rows out of the file"
        )
    reward_model = row["reward_model"] if isinstance(row["reward_model"], dict) else {}
    return Prompt(
        messages=_messages(row["prompt"], where),
        answer=answer_text(reward_model.get("ground_truth"), data_source=row["data_source"], where=where),
        data_source=row["data_source"],
        pass_rate=_pass_rate(row, extra, where),
        index=index,
        prefix=_prefix(extra.get("prefix"), where),
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


def _prefix(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SpecError(f"{where}: `extra_info.prefix` is {value!r}, and it must be the text of a program's beginning")
    return value


def _pass_rate(row: dict[str, Any], extra: dict[str, Any], where: str) -> float | None:
    """Of the two places the one that has it; `extra_info` where both do."""
    for name, value in ((f"extra_info.{DIFFICULTY}", extra.get(DIFFICULTY)), (DIFFICULTY, row.get(DIFFICULTY))):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            continue
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise SpecError(f"{where}: `{name}` is {value!r}, and it must be from 0 to 1")
        return float(value)
    return None
