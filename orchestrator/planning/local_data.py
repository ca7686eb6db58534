"""What the footers of prompt files on this machine tell before anything runs: rows, columns, what is missing.

No row is read, so whether rows can be used, which are long and which are nearly held-out problems is not known here;
`rlsweep data inspect` reads them. What is on the hub is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from db.errors import SpecError
from workers.milestones import last_step
from workers.prompts.heldout import heldout_files, reason_against_heldout, training_files
from workers.prompts.rows import COLUMNS, DIFFICULTY
from workers.spec import Data, TrialSpec
from workers.spec.places import is_path

if TYPE_CHECKING:
    import pyarrow as pa

_FEW_TO_SPARE = 1.1


@dataclass(frozen=True)
class LocalData:
    """What is known of a `data` section; numbers are None for what is not here.

    `no_heldout` says why `benchmark: heldout` has no problems; `errors` are of trials that would fail, `cautions` of
    what a user should know. All are whole sentences without a full stop.
    """

    rows: int | None = None
    heldout_rows: int | None = None
    no_heldout: str | None = None
    errors: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Footers:
    files: Sequence[Path]
    rows: int
    schemas: Sequence[pa.Schema]


def last_prompts(spec: TrialSpec) -> int | None:
    """The prompts of all steps until the last budget, where that is known before they are taken."""
    steps = last_step(spec.budget, spec.algorithm)
    return None if steps is None else steps * spec.algorithm.prompts_per_step


def check_local_data(spec: TrialSpec) -> None:
    """Raise SpecError with everything for which a trial on prompts of this machine would fail."""
    facts = local_data_facts(spec.data, last_prompts=last_prompts(spec))
    wanted = any(each.benchmark == "heldout" for each in spec.evaluations)
    missing = [facts.no_heldout] if wanted and facts.no_heldout else []
    if facts.errors or missing:
        raise SpecError("; ".join([*facts.errors, *missing]))


def check_all_local_data(specs: Iterable[TrialSpec]) -> None:
    """As `check_local_data`, of each kind of data once."""
    for spec in {(id(spec.data), id(spec.evaluations), spec.budget): spec for spec in specs}.values():
        check_local_data(spec)


@lru_cache(maxsize=256)
def local_data_facts(data: Data, *, last_prompts: int | None = None) -> LocalData:
    """What is known of `data` without reading a row; `last_prompts` is the last budget where that is known.

    A path that means no file, and a file that is no parquet file, is one of the `errors`.
    """
    if data.train is None:
        return LocalData(heldout_rows=data.heldout_problems)
    errors: list[str] = []
    train = _footers(data, errors) if is_path(data.train) else None
    no_heldout = reason_against_heldout(data)
    place = data.heldout or data.train
    heldout = _heldout_footers(data, errors) if is_path(place) and no_heldout is None else None
    cautions: list[str] = []
    for footers in filter(None, (train, heldout)):
        errors += _missing_columns(footers)
    if train is not None:
        errors += _too_few(data, train.rows, last_prompts)
        cautions += _cautions(data, train, last_prompts)
    return LocalData(
        rows=None if train is None else train.rows,
        heldout_rows=None if heldout is None else heldout.rows,
        no_heldout=no_heldout,
        errors=tuple(errors),
        cautions=tuple(cautions),
    )


def _footers(data: Data, errors: list[str]) -> _Footers | None:
    try:
        return _read(training_files(data))
    except SpecError as error:
        errors.append(str(error))
        return None


def _heldout_footers(data: Data, errors: list[str]) -> _Footers | None:
    try:
        return _read(heldout_files(data))
    except SpecError as error:
        if data.heldout is not None:  # else a wrong `train`, which has been told, or a folder that keeps none
            errors.append(str(error))
        return None


def _read(files: Sequence[Path]) -> _Footers:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, schemas = 0, []
    for file in files:
        try:
            with pq.ParquetFile(file) as opened:
                rows += opened.metadata.num_rows
                schemas.append(opened.schema_arrow)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise SpecError(
                f"{file} cannot be read as a parquet file ({reason}); correct the path or the file"
            ) from error
    return _Footers(files, rows, schemas)


def _missing_columns(footers: _Footers) -> Iterator[str]:
    for file, schema in zip(footers.files, footers.schemas, strict=True):
        missing = [name for name in COLUMNS if name not in schema.names]
        if "reward_model" in schema.names and not _has_field(schema, "reward_model", "ground_truth"):
            missing.append("reward_model.ground_truth")
        if missing:
            yield f"{file} has no column {', '.join(missing)}; prompts need {', '.join(COLUMNS)}"


def _too_few(data: Data, rows: int, last_prompts: int | None) -> Iterator[str]:
    asked = _asked(data, last_prompts)
    if asked is not None and rows < asked:
        yield f"data.total_prompts is {asked:,}, and {data.name} has {rows:,} rows; ask for fewer"


def _cautions(data: Data, train: _Footers, last_prompts: int | None) -> Iterator[str]:
    if not any(DIFFICULTY in schema.names or _has_field(schema, "extra_info", DIFFICULTY) for schema in train.schemas):
        yield (
            f"{data.name} has no pass rates ({DIFFICULTY}): prompts are taken in the order of the file, and slices of "
            "tau do not tell easy from hard"
        )
    asked = _asked(data, last_prompts)
    if asked is not None and asked <= train.rows < _FEW_TO_SPARE * asked:
        yield (
            f"{data.name} has {train.rows:,} rows for data.total_prompts {asked:,}, before {_dropped(data)} are left "
            "out; `rlsweep data inspect` counts what remains"
        )


def _dropped(data: Data) -> str:
    reasons = [
        "other sources" if data.sources else "",
        "near-duplicates of held-out problems" if data.drop_near_duplicates else "",
        f"prompts of more than {data.max_prompt_tokens:,} tokens",
    ]
    return " and ".join(filter(None, reasons))


def _asked(data: Data, last_prompts: int | None) -> int | None:
    return last_prompts if data.total_prompts == "budget" else data.total_prompts


def _has_field(schema: pa.Schema, column: str, field: str) -> bool:
    import pyarrow as pa

    if column not in schema.names:
        return False
    kind = schema.field(column).type
    return bool(pa.types.is_struct(kind)) and kind.get_field_index(field) >= 0
