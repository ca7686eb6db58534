"""Reading results from Python: every query comes back as a pandas DataFrame with documented columns.

Columns have the types Int64, float64, boolean, string and datetime64[us, UTC], and bytes are objects: a missing value
stays missing, whatever the column. Nothing here can write: see `db.querying.readonly`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import URL, Engine

from db.description.catalog import Column, relation, relations
from db.errors import DatabaseError
from db.querying.readonly import AnySelect, open_read_only
from db.reader import Reader
from exchange.relation_query import relation_query
from exchange.typed_rows import TypedRows, read_rows

if TYPE_CHECKING:
    from pandas import DataFrame


class Results:
    """A database of results, for reading. Its methods may be called from several threads at once.

    `with rlsweep.open(url) as results:` closes it at the end; `close` does so where there is no block.

    A method named after a view returns its rows: all, those of the trials of one `sweep`, or those where columns have
    given values, as in `results.learning_curve(sweep="grid", benchmark="gsm8k", seed=[1, 2])`. Several values mean
    one of them, None means a missing one. `describe` says what the columns hold.
    """

    def __init__(self, url: URL, *, time_limit_seconds: float | None = None) -> None:
        self._engine: Engine | None = open_read_only(url, time_limit_seconds=time_limit_seconds)
        self._name = url.set(query={}).render_as_string()

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<rlsweep results in {self._name}{'' if self._engine else ', closed'}>"

    def _opened(self) -> Engine:
        if self._engine is None:
            raise DatabaseError(f"The results in {self._name} are closed; rlsweep.open opens them again.")
        return self._engine

    def close(self) -> None:
        """Let the database go; nothing can be read any more. Closing twice does no harm."""
        if self._engine is not None:
            self._engine.dispose()
        self._engine = None

    def sql(self, query: str, params: Mapping[str, Any] | None = None) -> DataFrame:
        """The rows of a SELECT. `params` are the values of `:name` in it; a list is one for `IN :name`.

        A column that bears the name of a documented one has its type, if its values fit. The comments of such columns
        are in `frame.attrs["comments"]`. The database may work on it for as long as `rlsweep.open` was told.
        """
        return self._frame(query, params)

    def view(self, name: str, /, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """The rows of a view or a table; SpecError naming the nearest if there is none of that name."""
        found = relation(name)
        sweep_id = None if sweep is None else Reader(self._opened()).sweep(sweep).id
        return self._frame(relation_query(found, sweep_id=sweep_id, where=where), None, columns=found.columns)

    def views(self) -> DataFrame:
        """What there is to read: the views, then the tables, each with a sentence on what it holds."""
        from pandas import DataFrame

        self._opened()
        rows = [(each.name, "view" if each.is_view else "table", each.comment) for each in relations().values()]
        return DataFrame(rows, columns=["name", "kind", "comment"], dtype="string")

    def describe(self, name: str, /) -> DataFrame:
        """The columns of a view or a table: name, type, unit (missing where there is none) and comment."""
        from pandas import DataFrame

        self._opened()
        rows = [(each.name, str(each.kind), each.unit, each.comment) for each in relation(name).columns]
        return DataFrame(rows, columns=["column", "type", "unit", "comment"], dtype="string")

    def learning_curve(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """Every live evaluation of every trial, with the compute and data it had cost by then."""
        return self.view("learning_curve", sweep=sweep, **where)

    def final_result(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """The last live evaluation of every trial on every benchmark, with its first and its best."""
        return self.view("final_result", sweep=sweep, **where)

    def flop_ledger(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """What every attempt cost, by phase: paid, useful and lost."""
        return self.view("flop_ledger", sweep=sweep, **where)

    def sweep_coverage(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """How much of every sweep is done: its trials by state."""
        return self.view("sweep_coverage", sweep=sweep, **where)

    def trial_status(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """The trials of every sweep and how far each has come."""
        return self.view("trial_status", sweep=sweep, **where)

    def attempt_failure(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """Every attempt that failed or was lost, and what that cost."""
        return self.view("attempt_failure", sweep=sweep, **where)

    def data_reuse(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """Runs that reuse their data beside their twins that do not, after equally many prompts."""
        return self.view("data_reuse", sweep=sweep, **where)

    def step_phase(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """What every phase of every step took: seconds, GPU-seconds, FLOPs needed and done."""
        return self.view("step_phase", sweep=sweep, **where)

    def prompt_exposure(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """How often each training prompt of each trial has been drawn."""
        return self.view("prompt_exposure", sweep=sweep, **where)

    def group_size_curve(self, **where: Any) -> DataFrame:
        """Curves by group size, averaged over runs that differ in nothing but their seed; not by sweep."""
        return self.view("group_size_curve", **where)

    def fit_summary(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """Every fit, with its main parameters and what speaks against it."""
        return self.view("fit_summary", sweep=sweep, **where)

    def live_step(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """The steps of the live lineage: those that no later attempt has taken again."""
        return self.view("live_step", sweep=sweep, **where)

    def live_evaluation(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """The evaluations of the live lineage."""
        return self.view("live_evaluation", sweep=sweep, **where)

    def live_checkpoint(self, *, sweep: str | None = None, **where: Any) -> DataFrame:
        """Checkpoints of the live lineage whose files are there."""
        return self.view("live_checkpoint", sweep=sweep, **where)

    def _frame(
        self, query: str | AnySelect, params: Mapping[str, Any] | None, columns: tuple[Column, ...] | None = None
    ) -> DataFrame:
        with read_rows(self._opened(), query, params, columns=columns) as rows:
            return _as_frame(rows)


def _as_frame(rows: TypedRows) -> DataFrame:
    import pandas as pd
    import pyarrow as pa

    from exchange.arrow import arrow_schema, record_batches

    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.string(): pd.StringDtype()}
    schema = arrow_schema(rows.columns)
    frame: DataFrame = pa.Table.from_batches(record_batches(rows, schema), schema).to_pandas(types_mapper=types.get)
    frame.attrs["comments"] = {column.name: column.comment for column in rows.columns if column.comment}
    return frame
