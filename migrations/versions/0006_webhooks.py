"""Who is told what happens to a sweep, and how far each receiver has confirmed it.

Revision 0006, after 0005. Nobody is told of what was before. There is no way down: the backup made before an upgrade
is the way back.
"""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0006"
down_revision = "0005"
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

_VIEWS_OF = "0005"  # they stay as they are
RUNS_ON_THESE_TABLES = "state <> 'running' OR schema_revision = '0006'"


def upgrade() -> None:
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW {view}")
    with op.batch_alter_table("attempt") as batch:
        batch.drop_constraint(op.f("ck_attempt_runs_on_these_tables"), type_="check")
        batch.create_check_constraint(op.f("ck_attempt_runs_on_these_tables"), RUNS_ON_THESE_TABLES)
    op.create_table(
        "webhook",
        sa.Column("sweep_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("receiver", sa.String(300), nullable=False),
        sa.Column("told_through_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_event", sa.String(300), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name=op.f("fk_webhook_sweep_id_sweep")),
        sa.PrimaryKeyConstraint("sweep_id", "receiver", name=op.f("pk_webhook")),
    )
    for view in VIEWS:
        op.execute(files("migrations").joinpath("views", _VIEWS_OF, f"{view}.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
