"""A database at the first revision, with a row of every kind in it, written in plain SQL as that revision had it.

The sweep has two trials. Trial 1 ran twice: its attempt 1 was lost after step 5 and attempt 2 went on from step 3, to
step 7, so steps 4 and 5 of attempt 1 count no more. Trial 2 was never started.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Column, Connection, Engine, MetaData, Table, insert, inspect, select

from db.connection.engines import begin_write, connect
from db.types import UtcDateTime
from db.upkeep.migrate import run_revisions

FIRST = "0001"
_AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def make_old_database(url: URL, *, living: bool = False) -> None:
    """Fill the empty database at `url` at the first revision; with `living`, trial 1 is still running."""
    engine = connect(url, create=True)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA journal_mode = WAL")
    with begin_write(engine) as connection:
        run_revisions(connection, FIRST)
        tables = reflected(connection)
        for name, rows in old_rows(living=living).items():
            connection.execute(insert(tables[name]), rows)
    engine.dispose()


def rows_of(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but the version's, by table, ordered by the primary key."""
    with engine.connect() as connection:
        return {
            name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for name, table in reflected(connection).items()
        }


def reflected(connection: Connection) -> dict[str, Table]:
    """The tables as they are, whatever the models say; moments are read and written as everywhere."""
    metadata = MetaData()
    names = [name for name in inspect(connection).get_table_names() if not name.startswith("rlsweep_")]
    for name in names:
        times = [c for c in inspect(connection).get_columns(name) if c["name"].endswith("_at")]
        columns: list[Column[Any]] = [Column(c["name"], UtcDateTime(timezone=True)) for c in times]
        Table(name, metadata, *columns, autoload_with=connection, resolve_fks=False)
    return dict(metadata.tables)


def old_rows(*, living: bool = False) -> dict[str, list[dict[str, Any]]]:
    """The rows by table, parents before children."""
    return {
        "data_set": [_row(id=1, name="d", revision=None, sha256="d" * 64, unique_prompts=None)],
        "model": [_row(id=1, name="m", source="org/m", revision="main", weights_sha256="a" * 64, num_params=10,
                       total_params=12, nominal_params=None, warm_up_steps=None, warm_up_score=None,
                       warm_up_seconds=None, created_at=_AT)],
        "sweep": [_row(id=1, name="s", question="Why?", source="name: s", source_sha256="0" * 64, overrides=[],
                       caveats=["Mind the gap."], fit_settings={"scope": "inter-model"}, created_at=_AT,
                       submitted_at=_AT, drain_requested_at=None)],
        "trial": [_trial(1, state="running" if living else "succeeded"), _trial(2, state="planned")],
        "sweep_trial": [_row(sweep_id=1, trial_id=number, position=number - 1, axes={"seed": number},
                             spec={"seed": number}, budget_unit="steps", budget_last=7.0) for number in (1, 2)],
        "attempt": [_attempt(1, state="lost", resumed_from_step=0),
                    _attempt(2, state="running" if living else "succeeded", resumed_from_step=3,
                             lease_expires_at=datetime(2100, 1, 1, tzinfo=UTC) if living else _LONG_AGO)],
        "step": [_step(1, number) for number in range(1, 6)] + [_step(2, number) for number in range(4, 8)],
        "evaluation": [_evaluation(1, number, at) for number, at in enumerate(range(6), start=1)]
        + [_evaluation(2, number, at) for number, at in enumerate(range(4, 8), start=7)],
        "checkpoint": [_row(id=at, trial_id=1, attempt=1, step=at, uri=f"/c{at}", num_bytes=10,
                            manifest_sha256="b" * 64, is_milestone=False, written_at=_AT,
                            deleted_at=_AT if at == 5 else None) for at in (3, 5)],
        "fit": [_row(id=1, sweep_id=1, created_at=_AT, rlsweep_version="0.1.0", scope="inter-model", x="samples",
                     benchmark="heldout", protocol="exact", k_form="free", estimator="ols-log",
                     settings={"draws": 10}, data_sha256="c" * 64, num_points=8, num_effective=3.5, num_sizes=1,
                     num_runs=1, num_parameters=2, phi=None, run_sd=None, deviance=0.1, aicc=None, r2=0.9,
                     r2_size_means=0.5, status="identified")],
        "fit_parameter": [_row(fit_id=1, name="K_max", num_params=0, estimate=0.1, standard_error=0.01, low=0.08,
                               high=0.12, interval_method="bootstrap", unit="", at_bound=False)],
        "fit_point": [_row(fit_id=1, evaluation_id=1, role="baseline", reason=None, weight=1.0, fitted_loss=0.7,
                           residual=0.0)],
        "fit_holdout": [_row(fit_id=1, position=0, mode="zero_shot", quantity="k", num_params=10, prefix_share=None,
                             at_x=None, predicted=0.1, low=0.05, high=0.2, actual=0.11, actual_standard_error=None,
                             relative_error=-0.09, covered=True)],
        "fit_form": [_row(fit_id=1, rank=1, k_form="free", num_parameters=2, rss=0.1, aicc=None, delta_aicc=None,
                          akaike_weight=None, holdout_error=None)],
        "fit_check": [_row(fit_id=1, position=0, code="F1", severity="note", value=1.0, threshold=2.0,
                           num_params=None, message="Mind it.")],
    }  # fmt: skip


def _row(**columns: Any) -> dict[str, Any]:
    return columns


def _trial(number: int, *, state: str) -> dict[str, Any]:
    return _row(
        id=number, science_hash=f"v1:{number}", state=state, model="m", data="d", algorithm="grpo", seed=number,
        group_size=8, prompts_per_step=64, updates_per_step=1, learning_rate=1e-6, kl_coefficient=0.0, tau=None,
        science={"seed": number}, model_id=1, data_set_id=1, created_at=_AT,
        finished_at=_AT if state == "succeeded" else None,
    )  # fmt: skip


def _attempt(number: int, **changes: Any) -> dict[str, Any]:
    texts = ("phase", "phase_detail", "failure_class", "message", "traceback", "log_uri", "engine", "device",
             "git_revision", "rlsweep_version", "python_version", "torch_version", "transformers_version",
             "trl_version", "vllm_version", "ray_version")  # fmt: skip
    return dict.fromkeys(texts) | _row(
        id=number, trial_id=1, number=number, sweep_id=1, host="node-1", pid=4711, process_started_at=_AT,
        started_at=_AT, lease_expires_at=_LONG_AGO, ended_at=_AT, num_gpus=1.0, num_cpus=2,
        memory_bytes=8_000_000_000, git_dirty=True,
    ) | changes  # fmt: skip


def _step(attempt: int, number: int) -> dict[str, Any]:
    return _row(
        trial_id=1, attempt=attempt, step=number, recorded_at=_AT, samples=64, prompt_tokens=4608,
        completion_tokens=2048, cumulative_samples=64 * number, cumulative_tokens=6656 * number,
        cumulative_flops=1e19 * number, cumulative_paper_flops=None, cumulative_seconds=0.5 * number,
        generation_flops=1e18, old_logprob_flops=0.0, reference_flops=0.0, train_flops=9e18, flops_version=1,
        step_seconds=0.5, generation_seconds=0.2, logprob_seconds=0.0, reward_seconds=0.1, loss=float(attempt),
        reward=0.3, reward_std=0.4, zero_variance_share=0.0, kl=None, entropy=0.5, clipped_share=0.0,
        gradient_norm=1.0, learning_rate=1e-6, mean_completion_tokens=4.0, max_completion_tokens=4.0,
        truncated_share=0.0, sampling_logprob_difference=None,
    )  # fmt: skip


def _evaluation(attempt: int, number: int, at: int) -> dict[str, Any]:
    return _row(
        id=number, trial_id=1, attempt=attempt, step=at, recorded_at=_AT, benchmark="heldout", protocol="exact",
        problems=600, samples_per_problem=None, successes=None, score=0.3 + at / 100, standard_error=0.01,
        evaluation_flops=1e9, seconds=0.1,
    )  # fmt: skip
