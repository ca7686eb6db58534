"""The views, described for querying. Their SQL is in the migrations, which make them; a test holds the two equal.

Every view shows the live lineage only: a step that a later attempt has taken again, because it continued from a
checkpoint before it, is in the tables but not in the views.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, MetaData, String, Table, Text

from db.types import UtcDateTime

views = MetaData()

learning_curve = Table(
    "learning_curve",
    views,
    Column("evaluation_id", BigInteger),
    Column("trial_id", BigInteger),
    Column("attempt", BigInteger),
    Column("step", BigInteger),
    Column("model", String),
    Column("num_params", BigInteger),
    Column("total_params", BigInteger),
    Column("nominal_params", Double),
    Column("data", String),
    Column("algorithm", String),
    Column("seed", BigInteger),
    Column("group_size", BigInteger),
    Column("tau", Double),
    Column("learning_rate", Double),
    Column("trial_state", String),
    Column("samples", BigInteger),
    Column("tokens", BigInteger),
    Column("flops", Double),
    Column("paper_flops", Double),
    Column("train_seconds", Double),
    Column("benchmark", String),
    Column("protocol", String),
    Column("problems", BigInteger),
    Column("samples_per_problem", BigInteger),
    Column("successes", BigInteger),
    Column("score", Double),
    Column("test_loss", Double),
    Column("standard_error", Double),
)

trial_status = Table(
    "trial_status",
    views,
    Column("sweep_id", BigInteger),
    Column("trial_id", BigInteger),
    Column("position", BigInteger),
    Column("model", String),
    Column("seed", BigInteger),
    Column("state", String),
    Column("num_params", BigInteger),
    Column("attempt", BigInteger),
    Column("attempt_state", String),
    Column("phase", String),
    Column("phase_detail", String),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("lease_expires_at", UtcDateTime),
    Column("failure_class", String),
    Column("message", Text),
    Column("step", BigInteger),
    Column("budget_unit", String),
    Column("budget_last", Double),
    Column("spent", Double),
    Column("train_seconds", Double),
    Column("first_loss", Double),
    Column("last_loss", Double),
)

live_checkpoint = Table(
    "live_checkpoint",
    views,
    Column("trial_id", BigInteger),
    Column("attempt", BigInteger),
    Column("step", BigInteger),
    Column("uri", Text),
    Column("num_bytes", BigInteger),
    Column("manifest_sha256", String),
    Column("is_milestone", BigInteger),
)
