"""Fits of every scope: numbers by trial, tau, group size and benchmark, laws of curves, and what each row measured.

Revision 0004, after 0003. Parameters and candidates of a fit get a place in its list for a key, so that what a number
is of can be NULL where it is of everything: the 0 that stood for `all sizes` goes. There is no way down: the backup
made before an upgrade is the way back.
"""

from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What reads another view comes after it; dropped the other way round.
VIEWS = (
    "live_step",
    "live_evaluation",
    "live_checkpoint",
    "learning_curve",
    "final_result",
    "flop_ledger",
    "step_phase",
    "trial_status",
    "sweep_coverage",
    "attempt_failure",
    "data_reuse",
    "prompt_exposure",
    "group_size_curve",
    "fit_summary",
)

NUMBER: sa.Double[float] = sa.Double()
COUNT = sa.BigInteger()
IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TRIAL = "trial_id"

NEW_COLUMNS: dict[str, dict[str, Any]] = {
    "fit": {"summary": sa.Text()},
    "fit_parameter": {
        "position": COUNT,
        "model": sa.String(200),
        TRIAL: IDENTIFIER,
        "benchmark": sa.String(80),
        "protocol": sa.String(80),
        "tau": NUMBER,
        "group_size": COUNT,
        "against_group_size": COUNT,
        "law": sa.String(40),
        "at_x": NUMBER,
    },
    "fit_point": {"content_sha256": sa.String(64)},
    "fit_holdout": {TRIAL: IDENTIFIER, "law": sa.String(40), "mean_low": NUMBER, "mean_high": NUMBER},
    "fit_form": {
        "position": COUNT,
        TRIAL: IDENTIFIER,
        "log_score": NUMBER,
        "lack_of_fit": NUMBER,
        "is_preferred": sa.Boolean(),
    },
}
NULLABLE_IN_FIT: dict[str, Any] = {
    "benchmark": sa.String(80),
    "protocol": sa.String(80),
    "k_form": sa.String(40),
    "estimator": sa.String(40),
    "num_effective": NUMBER,
    "num_parameters": COUNT,
    "deviance": NUMBER,
}
RUNS_ON_THESE_TABLES = "state <> 'running' OR schema_revision = '0004'"


def upgrade() -> None:
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW {view}")
    for table, columns in NEW_COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
    _number("fit_parameter", "name", "num_params")
    _number("fit_form", "rank")
    with op.batch_alter_table("fit") as batch:
        for name, kind in NULLABLE_IN_FIT.items():
            batch.alter_column(name, existing_type=kind, nullable=True)
    with op.batch_alter_table("fit_parameter") as batch:
        batch.drop_constraint(op.f("pk_fit_parameter"), type_="primary")
        batch.alter_column("num_params", existing_type=COUNT, nullable=True)
        batch.alter_column("position", existing_type=COUNT, nullable=False)
        batch.create_primary_key(op.f("pk_fit_parameter"), ["fit_id", "position"])
        _of_a_trial(batch, "fit_parameter")
    op.execute("UPDATE fit_parameter SET num_params = NULL WHERE num_params = 0")
    with op.batch_alter_table("fit_holdout") as batch:
        _of_a_trial(batch, "fit_holdout")
    with op.batch_alter_table("fit_form") as batch:
        batch.drop_constraint(op.f("pk_fit_form"), type_="primary")
        batch.alter_column("position", existing_type=COUNT, nullable=False)
        batch.alter_column("k_form", new_column_name="form", existing_type=sa.String(40), existing_nullable=False)
        batch.create_primary_key(op.f("pk_fit_form"), ["fit_id", "position"])
        _of_a_trial(batch, "fit_form")
    with op.batch_alter_table("attempt") as batch:
        batch.drop_constraint(op.f("ck_attempt_runs_on_these_tables"), type_="check")
        batch.create_check_constraint(op.f("ck_attempt_runs_on_these_tables"), RUNS_ON_THESE_TABLES)
    for view in VIEWS:
        op.execute(files("migrations").joinpath("views", revision, f"{view}.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")


def _number(table: str, *key: str) -> None:
    """Places from 0 inside every fit, in the order of its key."""
    own, other = (", ".join(f"{name}.{column}" for column in key) for name in (table, "o"))
    op.execute(
        f"UPDATE {table} SET position = "  # noqa: S608
        f"(SELECT COUNT(*) FROM {table} o WHERE o.fit_id = {table}.fit_id AND ({other}) < ({own}))"
    )


def _of_a_trial(batch: Any, table: str) -> None:
    batch.create_foreign_key(op.f(f"fk_{table}_{TRIAL}_trial"), "trial", [TRIAL], ["id"])
