"""What a trial on published data and several GPUs tells: executed FLOPs, GPU-seconds, verdicts, outcomes, exposure.

Revision 0003, after 0002. What was not recorded before is NULL. Trials that a health gate ended were `failed`, with the
outcome for a failure class; they are `stopped` from here on. There is no way down: the backup made before an upgrade is
the way back.
"""

from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OLD_VIEWS = (
    "fit_summary",
    "group_size_curve",
    "data_reuse",
    "attempt_failure",
    "sweep_coverage",
    "trial_status",
    "flop_ledger",
    "final_result",
    "learning_curve",
    "live_checkpoint",
    "live_evaluation",
    "live_step",
)
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

COUNT = sa.BigInteger()
NUMBER: sa.Double[float] = sa.Double()

NEW_COLUMNS: dict[str, dict[str, Any]] = {
    "attempt": {"outcome": sa.String(40), "gpu_peak_flops": NUMBER},
    "data_set": dict.fromkeys(("rows_read", "near_duplicates_dropped", "too_long_dropped"), COUNT),
    "problem": {"data_source": sa.String(80)},
    "step": {
        "cumulative_gpu_seconds": NUMBER,
        "executed_generation_flops": NUMBER,
        "executed_old_logprob_flops": NUMBER,
        "executed_reference_flops": NUMBER,
        "executed_train_flops": NUMBER,
        "executed_flops_version": COUNT,
        "peak_memory_bytes": COUNT,
        "completions": COUNT,
        "trained_completions": COUNT,
        "unanswered_completions": COUNT,
        "reward_exceptions": COUNT,
        "reward_timeouts": COUNT,
        "tool_calls": COUNT,
        "failed_tool_calls": COUNT,
    },
    "trial": {"reached_gpu_seconds": NUMBER},
}

NEW_CHECKS = {
    "attempt": {
        "state_known": "state IN ('running', 'succeeded', 'stopped', 'interrupted', 'failed', 'lost')",
        "runs_on_these_tables": "state <> 'running' OR schema_revision = '0003'",
    },
    "trial": {
        "state_known": "state IN ('planned', 'queued', 'running', 'paused', 'recovering', 'succeeded', 'stopped', "
        "'failed', 'cancelled')",
    },
}

# What gates found was a class of failure.
OUTCOMES = (
    "kl_blow_up",
    "entropy_collapse",
    "gradient_blow_up",
    "truncation",
    "no_learning_signal",
    "engine_mismatch",
    "reward_collapse",
)


def upgrade() -> None:
    for view in OLD_VIEWS:
        op.execute(f"DROP VIEW {view}")
    for table, columns in NEW_COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
    for table, checks in NEW_CHECKS.items():
        with op.batch_alter_table(table) as batch:
            for name, condition in checks.items():
                batch.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
                batch.create_check_constraint(op.f(f"ck_{table}_{name}"), condition)
    _tell_outcomes_from_failures()
    for view in VIEWS:
        op.execute(files("migrations").joinpath("views", revision, f"{view}.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")


def _tell_outcomes_from_failures() -> None:
    attempt = sa.table("attempt", sa.column("state"), sa.column("failure_class"), sa.column("outcome"))
    op.execute(
        sa.update(attempt)
        .where(attempt.c.state == "failed", attempt.c.failure_class.in_(OUTCOMES))
        .values(outcome=attempt.c.failure_class, failure_class=None, state="stopped")
    )
    op.execute(
        "UPDATE trial SET state = 'stopped' WHERE state = 'failed' AND EXISTS (SELECT 1 FROM attempt a "
        "WHERE a.trial_id = trial.id AND a.number = trial.attempts AND a.state = 'stopped')"
    )
