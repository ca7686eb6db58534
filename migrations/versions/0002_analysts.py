"""Imported runs, scores per problem, progress kept with each trial, and the analysts' views.

Revision 0002, after 0001. Attempts say for which revision their code was written. Code of 0001 does not, so its claims
fail from here on: it would not keep what is derived. None of its attempts may be running when this revision begins.

What another program recorded may lack anything, so columns that only a run here fills
admit NULL; checks hold the runs made here to what was asked of all before. There is no way down: rows that came in
since would not fit the old tables. The backup made before an upgrade is the way back.
"""

from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OLD_VIEWS = ("trial_status", "learning_curve", "live_checkpoint", "live_evaluation", "live_step")
VIEWS = (
    "live_step",
    "live_evaluation",
    "live_checkpoint",
    "learning_curve",
    "final_result",
    "flop_ledger",
    "trial_status",
    "sweep_coverage",
    "attempt_failure",
    "data_reuse",
    "group_size_curve",
    "fit_summary",
)

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT, COUNT, MOMENT = sa.Text(), sa.BigInteger(), UtcDateTime(timezone=True)
NUMBER: sa.Double[float] = sa.Double()

NEW_COLUMNS: dict[str, dict[str, Any]] = {
    "attempt": {
        "import_file_id": IDENTIFIER,
        "live_through_step": COUNT,
        "execution": sa.JSON(),
        "execution_hash": sa.String(80),
    },
    "data_set": {"num_problems": COUNT},
    "evaluation": {"data_set_id": IDENTIFIER},
    "fit_parameter": {"draws": sa.LargeBinary()},
    "model": {"family": sa.String(80), "variant": sa.String(80)},
    "step": {"update_seconds": NUMBER},
    "trial": {
        "reached_samples": COUNT,
        "reached_tokens": COUNT,
        "reached_flops": NUMBER,
        "reached_seconds": NUMBER,
        "headline_benchmark": sa.String(80),
        "headline_protocol": sa.String(80),
        "first_score": NUMBER,
        "last_score": NUMBER,
    },
}

NOW_NULLABLE: dict[str, dict[str, Any]] = {
    "attempt": {
        "host": sa.String(255),
        "pid": COUNT,
        "process_started_at": MOMENT,
        "lease_expires_at": MOMENT,
    },
    "evaluation": {"problems": COUNT, "evaluation_flops": NUMBER, "seconds": NUMBER},
    "model": {"weights_sha256": sa.String(64), "num_params": COUNT, "total_params": COUNT},
    "step": {
        "samples": COUNT,
        "prompt_tokens": COUNT,
        "completion_tokens": COUNT,
        "cumulative_samples": COUNT,
        "cumulative_tokens": COUNT,
        "cumulative_flops": NUMBER,
        "cumulative_seconds": NUMBER,
        "generation_flops": NUMBER,
        "old_logprob_flops": NUMBER,
        "reference_flops": NUMBER,
        "train_flops": NUMBER,
        "flops_version": COUNT,
        "step_seconds": NUMBER,
        "generation_seconds": NUMBER,
        "logprob_seconds": NUMBER,
        "reward_seconds": NUMBER,
    },
    "sweep": {"source": TEXT, "source_sha256": sa.String(64)},
    "sweep_trial": {"spec": sa.JSON(), "budget_unit": sa.String(16), "budget_last": NUMBER},
    "trial": {
        "data": sa.String(200),
        "algorithm": sa.String(40),
        "seed": COUNT,
        "group_size": COUNT,
        "prompts_per_step": COUNT,
        "updates_per_step": COUNT,
        "learning_rate": NUMBER,
        "kl_coefficient": NUMBER,
    },
}

NEW_CHECKS = {
    "attempt": {
        "native_is_complete": "import_file_id IS NOT NULL OR (host IS NOT NULL AND pid IS NOT NULL "
        "AND process_started_at IS NOT NULL AND lease_expires_at IS NOT NULL)",
        "steps_known": "resumed_from_step >= 0 AND live_through_step >= -1",
    },
    "evaluation": {
        "step_from_zero": "step >= 0",
        "score_is_a_share": "score >= 0 AND score <= 1",
        "counts_positive": "problems > 0 AND samples_per_problem > 0",
        "successes_within_samples": "successes >= 0 AND successes <= problems * samples_per_problem",
    },
    "model": {"sizes_positive": "num_params > 0 AND total_params > 0 AND nominal_params > 0"},
    "step": {
        "step_from_one": "step >= 1",
        "cumulative_not_negative": "cumulative_samples >= 0 AND cumulative_tokens >= 0 "
        "AND cumulative_flops >= 0 AND cumulative_seconds >= 0",
    },
    "trial": {
        "origin_known": "origin IN ('native', 'csv', 'verl', 'wandb', 'tensorboard')",
        "native_is_complete": "origin <> 'native' OR (data IS NOT NULL AND algorithm IS NOT NULL "
        "AND seed IS NOT NULL AND group_size IS NOT NULL AND prompts_per_step IS NOT NULL "
        "AND updates_per_step IS NOT NULL AND learning_rate IS NOT NULL AND kl_coefficient IS NOT NULL)",
        "counts_positive": "group_size > 0 AND prompts_per_step > 0 AND updates_per_step > 0",
        "tau_positive": "tau > 0",
        "progress_not_negative": "attempts >= 0 AND reached_step >= 0",
    },
}

NEW_FOREIGN_KEYS = {"attempt": ("import_file_id", "import_file"), "evaluation": ("data_set_id", "data_set")}

RUNS_ON_THESE_TABLES = "state <> 'running' OR schema_revision = '0002'"

LIVE_THROUGH_STEP = """
UPDATE attempt SET live_through_step = (
    SELECT MIN(later.resumed_from_step) FROM attempt later
    WHERE later.trial_id = attempt.trial_id AND later.number > attempt.number
)
"""

PROGRESS = (
    """
    UPDATE trial SET
        attempts = (SELECT COUNT(*) FROM attempt a WHERE a.trial_id = trial.id),
        reached_step = COALESCE((SELECT MAX(s.step) FROM live_step s WHERE s.trial_id = trial.id), 0),
        headline_benchmark = (SELECT e.benchmark FROM live_evaluation e WHERE e.trial_id = trial.id
            ORDER BY e.step, e.id LIMIT 1),
        headline_protocol = (SELECT e.protocol FROM live_evaluation e WHERE e.trial_id = trial.id
            ORDER BY e.step, e.id LIMIT 1)
    """,
    """
    UPDATE trial SET
        reached_samples = (SELECT s.cumulative_samples FROM live_step s
            WHERE s.trial_id = trial.id AND s.step = trial.reached_step),
        reached_tokens = (SELECT s.cumulative_tokens FROM live_step s
            WHERE s.trial_id = trial.id AND s.step = trial.reached_step),
        reached_flops = (SELECT s.cumulative_flops FROM live_step s
            WHERE s.trial_id = trial.id AND s.step = trial.reached_step),
        reached_seconds = (SELECT s.cumulative_seconds FROM live_step s
            WHERE s.trial_id = trial.id AND s.step = trial.reached_step),
        first_score = (SELECT e.score FROM live_evaluation e WHERE e.trial_id = trial.id
            AND e.benchmark = trial.headline_benchmark AND e.protocol = trial.headline_protocol
            ORDER BY e.step, e.id LIMIT 1),
        last_score = (SELECT e.score FROM live_evaluation e WHERE e.trial_id = trial.id
            AND e.benchmark = trial.headline_benchmark AND e.protocol = trial.headline_protocol
            ORDER BY e.step DESC, e.id DESC LIMIT 1)
    """,
)


def upgrade() -> None:
    for view in OLD_VIEWS:
        op.execute(f"DROP VIEW {view}")
    _create_tables()
    for table, columns in NOW_NULLABLE.items():
        with op.batch_alter_table(table) as batch:
            for name, kind in columns.items():
                batch.alter_column(name, existing_type=kind, nullable=True)
            for name, kind in NEW_COLUMNS.get(table, {}).items():
                batch.add_column(sa.Column(name, kind, nullable=True))
            if table == "trial":
                batch.add_column(sa.Column("origin", sa.String(16), server_default="native", nullable=False))
                batch.add_column(sa.Column("attempts", COUNT, server_default="0", nullable=False))
                batch.add_column(sa.Column("reached_step", COUNT, server_default="0", nullable=False))
            for name, condition in NEW_CHECKS.get(table, {}).items():
                batch.create_check_constraint(op.f(f"ck_{table}_{name}"), condition)
            if table in NEW_FOREIGN_KEYS:
                column, referred = NEW_FOREIGN_KEYS[table]
                batch.create_foreign_key(op.f(f"fk_{table}_{column}_{referred}"), referred, [column], ["id"])
    for table in NEW_COLUMNS.keys() - NOW_NULLABLE.keys():
        for name, kind in NEW_COLUMNS[table].items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
    _tell_code_apart()
    for view in VIEWS:
        op.execute(files("migrations").joinpath("views", revision, f"{view}.sql").read_text())
    for statement in (LIVE_THROUGH_STEP, *PROGRESS):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")


def _tell_code_apart() -> None:
    """Every attempt so far was made by code of the revision before."""
    op.add_column("attempt", sa.Column("schema_revision", sa.String(16), nullable=True))
    op.execute("UPDATE attempt SET schema_revision = '0001'")
    with op.batch_alter_table("attempt") as batch:
        batch.alter_column("schema_revision", existing_type=sa.String(16), nullable=False)
        batch.create_check_constraint(op.f("ck_attempt_runs_on_these_tables"), RUNS_ON_THESE_TABLES)


def _create_tables() -> None:
    op.create_table(
        "import_file",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("num_bytes", COUNT, nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("rlsweep_version", sa.String(40), nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "format IN ('native', 'csv', 'verl', 'wandb', 'tensorboard')", name=op.f("ck_import_file_format_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_file")),
        sa.UniqueConstraint("sha256", "format", name=op.f("uq_import_file_sha256_format")),
    )
    op.create_table(
        "problem",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("data_set_id", IDENTIFIER, nullable=False),
        sa.Column("position", COUNT, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["data_set_id"], ["data_set.id"], name=op.f("fk_problem_data_set_id_data_set")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem")),
        sa.UniqueConstraint("data_set_id", "position", name=op.f("uq_problem_data_set_id_position")),
    )
    op.create_table(
        "evaluation_item",
        sa.Column("evaluation_id", IDENTIFIER, autoincrement=False, nullable=False),
        sa.Column("problem_id", IDENTIFIER, autoincrement=False, nullable=False),
        sa.Column("successes", COUNT, nullable=True),
        sa.Column("probability", NUMBER, nullable=True),
        sa.CheckConstraint(
            "successes IS NOT NULL OR probability IS NOT NULL", name=op.f("ck_evaluation_item_has_a_result")
        ),
        sa.CheckConstraint(
            "probability >= 0 AND probability <= 1", name=op.f("ck_evaluation_item_probability_is_a_share")
        ),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name=op.f("fk_evaluation_item_evaluation_id_evaluation")
        ),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_evaluation_item_problem_id_problem")),
        sa.PrimaryKeyConstraint("evaluation_id", "problem_id", name=op.f("pk_evaluation_item")),
        sqlite_with_rowid=False,
    )
