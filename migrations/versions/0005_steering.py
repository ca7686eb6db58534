"""What a person asks of trials while they run, who launches a sweep, on which nodes, who is told, and the planned cost.

Revision 0005, after 0004. Nothing was asked of the trials that are there. There is no way down: the backup made before
an upgrade is the way back.
"""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0005"
down_revision = "0004"
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

COUNT = sa.BigInteger()
RUNS_ON_THESE_TABLES = "state <> 'running' OR schema_revision = '0005'"


def upgrade() -> None:
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW {view}")
    with op.batch_alter_table("trial") as batch:
        batch.add_column(sa.Column("hold", sa.String(16), nullable=True))
        for name in ("priority", "retried_after"):
            batch.add_column(sa.Column(name, COUNT, nullable=False, server_default="0"))
        batch.create_check_constraint(op.f("ck_trial_hold_known"), "hold IN ('pause', 'cancel')")
        batch.create_check_constraint(op.f("ck_trial_retried_after_not_negative"), "retried_after >= 0")
    with op.batch_alter_table("sweep") as batch:
        for name, length in (("driver_host", 255), ("driver_cluster", 200), ("driver_job", 200)):
            batch.add_column(sa.Column(name, sa.String(length), nullable=True))
        batch.add_column(sa.Column("driver_pid", COUNT, nullable=True))
        for name in ("driver_process_started_at", "driver_lease_expires_at"):
            batch.add_column(sa.Column(name, UtcDateTime(timezone=True), nullable=True))
    with op.batch_alter_table("sweep_trial") as batch:
        for name in ("planned_flops", "planned_gpu_hours"):
            batch.add_column(sa.Column(name, sa.Double(), nullable=True))
    with op.batch_alter_table("attempt") as batch:
        batch.add_column(sa.Column("node_id", sa.String(80), nullable=True))
        batch.drop_constraint(op.f("ck_attempt_runs_on_these_tables"), type_="check")
        batch.create_check_constraint(op.f("ck_attempt_runs_on_these_tables"), RUNS_ON_THESE_TABLES)
    op.create_table(
        "webhook",
        sa.Column("sweep_id", COUNT, nullable=False),
        sa.Column("receiver", sa.String(300), nullable=False),
        sa.Column("told_through_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_event", sa.String(300), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name=op.f("fk_webhook_sweep_id_sweep")),
        sa.PrimaryKeyConstraint("sweep_id", "receiver", name=op.f("pk_webhook")),
    )
    for view in VIEWS:
        op.execute(files("migrations").joinpath("views", revision, f"{view}.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
