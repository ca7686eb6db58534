"""The first tables.

Revision 0001, after nothing.
"""

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LIVE_STEP = """
CREATE VIEW live_step AS
SELECT s.*
FROM step s
WHERE NOT EXISTS (
    SELECT 1 FROM attempt later
    WHERE later.trial_id = s.trial_id AND later.number > s.attempt AND later.resumed_from_step < s.step
)
"""

LIVE_EVALUATION = """
CREATE VIEW live_evaluation AS
SELECT e.*
FROM evaluation e
WHERE NOT EXISTS (
    SELECT 1 FROM attempt later
    WHERE later.trial_id = e.trial_id AND later.number > e.attempt AND later.resumed_from_step < e.step
)
"""

LIVE_CHECKPOINT = """
CREATE VIEW live_checkpoint AS
SELECT c.trial_id, c.attempt, c.step, c.uri, c.num_bytes, c.manifest_sha256, c.is_milestone
FROM checkpoint c
WHERE c.deleted_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM attempt later
    WHERE later.trial_id = c.trial_id AND later.number > c.attempt AND later.resumed_from_step < c.step
)
"""

# Before the first step nothing has been consumed, so zeros there are measured, not missing.
LEARNING_CURVE = """
CREATE VIEW learning_curve AS
SELECT
    e.id AS evaluation_id, e.trial_id, e.attempt, e.step,
    t.model, m.num_params, m.total_params, m.nominal_params,
    t.data, t.algorithm, t.seed, t.group_size, t.tau, t.learning_rate, t.state AS trial_state,
    CASE WHEN e.step = 0 THEN 0 ELSE s.cumulative_samples END AS samples,
    CASE WHEN e.step = 0 THEN 0 ELSE s.cumulative_tokens END AS tokens,
    CASE WHEN e.step = 0 THEN 0 ELSE s.cumulative_flops END AS flops,
    CASE WHEN e.step = 0 AND m.nominal_params IS NOT NULL THEN 0 ELSE s.cumulative_paper_flops END AS paper_flops,
    CASE WHEN e.step = 0 THEN 0 ELSE s.cumulative_seconds END AS train_seconds,
    e.benchmark, e.protocol, e.problems, e.samples_per_problem, e.successes,
    e.score, 1.0 - e.score AS test_loss, e.standard_error
FROM live_evaluation e
JOIN trial t ON t.id = e.trial_id
LEFT JOIN model m ON m.id = t.model_id
LEFT JOIN live_step s ON s.trial_id = e.trial_id AND s.step = e.step
"""

TRIAL_STATUS = """
CREATE VIEW trial_status AS
SELECT
    st.sweep_id, st.trial_id, st.position, t.model, t.seed, t.state, m.num_params,
    a.number AS attempt, a.state AS attempt_state, a.phase, a.phase_detail, a.started_at, a.ended_at,
    a.lease_expires_at, a.failure_class, a.message,
    COALESCE(s.step, 0) AS step, st.budget_unit, st.budget_last,
    COALESCE(CASE st.budget_unit
        WHEN 'steps' THEN s.step
        WHEN 'samples' THEN s.cumulative_samples
        WHEN 'tokens' THEN s.cumulative_tokens
        ELSE s.cumulative_flops
    END, 0) AS spent,
    s.cumulative_seconds AS train_seconds,
    (SELECT 1.0 - e.score FROM live_evaluation e WHERE e.trial_id = t.id ORDER BY e.step, e.id LIMIT 1) AS first_loss,
    (SELECT 1.0 - e.score FROM live_evaluation e WHERE e.trial_id = t.id ORDER BY e.step DESC, e.id LIMIT 1)
        AS last_loss
FROM sweep_trial st
JOIN trial t ON t.id = st.trial_id
LEFT JOIN model m ON m.id = t.model_id
LEFT JOIN attempt a ON a.trial_id = t.id
    AND a.number = (SELECT MAX(newest.number) FROM attempt newest WHERE newest.trial_id = t.id)
LEFT JOIN live_step s ON s.trial_id = t.id
    AND s.step = (SELECT MAX(last.step) FROM live_step last WHERE last.trial_id = t.id)
"""

VIEWS = {
    "live_step": LIVE_STEP,
    "live_evaluation": LIVE_EVALUATION,
    "live_checkpoint": LIVE_CHECKPOINT,
    "learning_curve": LEARNING_CURVE,
    "trial_status": TRIAL_STATUS,
}


def upgrade() -> None:
    op.create_table(
        "data_set",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="Number of the data set.",
        ),
        sa.Column("name", sa.String(length=200), nullable=False, comment="Name in the sweep file."),
        sa.Column("revision", sa.String(length=200), nullable=True, comment="Revision on the hub; NULL: made here."),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="SHA-256 of the problems, in order."),
        sa.Column(
            "unique_prompts",
            sa.BigInteger(),
            nullable=True,
            comment="Distinct training prompts; NULL: an endless stream.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_set")),
        sa.UniqueConstraint("name", "sha256", name=op.f("uq_data_set_name_sha256")),
        comment="Problems that trials train on and are scored on, known by their content.",
    )
    op.create_table(
        "model",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="Number of the model."
        ),
        sa.Column("name", sa.String(length=200), nullable=False, comment="Name in the sweep file."),
        sa.Column("source", sa.Text(), nullable=True, comment="Folder or hub id; NULL: made here."),
        sa.Column("revision", sa.String(length=200), nullable=True, comment="Revision on the hub."),
        sa.Column("weights_sha256", sa.String(length=64), nullable=False, comment="SHA-256 of the weights."),
        sa.Column("num_params", sa.BigInteger(), nullable=False, comment="Parameters without embeddings, counted: N."),
        sa.Column("total_params", sa.BigInteger(), nullable=False, comment="All parameters, tied ones once."),
        sa.Column("nominal_params", sa.Double(), nullable=True, comment="Parameters by name, as in 7B; NULL: none."),
        sa.Column("warm_up_steps", sa.BigInteger(), nullable=True, comment="Supervised steps, when made here."),
        sa.Column("warm_up_score", sa.Double(), nullable=True, comment="Validation score at which warm-up stopped."),
        sa.Column("warm_up_seconds", sa.Double(), nullable=True, comment="Time the warm-up took, in seconds."),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False, comment="When first recorded, UTC."),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("name", "weights_sha256", name=op.f("uq_model_name_weights_sha256")),
        comment="Weights that trials start from, known by their content.",
    )
    op.create_table(
        "sweep",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="Number of the sweep."
        ),
        sa.Column("name", sa.String(length=200), nullable=False, comment="`name` in the sweep file."),
        sa.Column("question", sa.Text(), nullable=True, comment="The question the sweep is to answer."),
        sa.Column("source", sa.Text(), nullable=False, comment="The sweep file's text, as submitted."),
        sa.Column("source_sha256", sa.String(length=64), nullable=False, comment="SHA-256 of `source`."),
        sa.Column("overrides", sa.JSON(), nullable=False, comment="`--set` arguments of the last submission."),
        sa.Column("caveats", sa.JSON(), nullable=False, comment="Sentences shown beside every fit of this sweep."),
        sa.Column("fit_settings", sa.JSON(), nullable=True, comment="`fit` in the sweep file."),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False, comment="First submission, UTC."),
        sa.Column("submitted_at", UtcDateTime(timezone=True), nullable=False, comment="Last submission, UTC."),
        sa.Column(
            "drain_requested_at",
            UtcDateTime(timezone=True),
            nullable=True,
            comment="When the sweep's trials were asked to stop at the end of their step; NULL: not asked. UTC.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweep")),
        sa.UniqueConstraint("name", name=op.f("uq_sweep_name")),
        comment="One sweep file as last submitted. A sweep is known by its name.",
    )
    op.create_table(
        "fit",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="Number of the fit."
        ),
        sa.Column(
            "sweep_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="The sweep it fits; NULL: several.",
        ),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False, comment="When it was made, UTC."),
        sa.Column("rlsweep_version", sa.String(length=40), nullable=False, comment="Version of the code."),
        sa.Column("scope", sa.String(length=40), nullable=False, comment="inter-model, intra-model, ..."),
        sa.Column(
            "x", sa.String(length=20), nullable=False, comment="What the loss is fitted against: samples, flops, ..."
        ),
        sa.Column("benchmark", sa.String(length=80), nullable=False, comment="The benchmark that was fitted."),
        sa.Column("protocol", sa.String(length=80), nullable=False, comment="Its protocol."),
        sa.Column("k_form", sa.String(length=40), nullable=False, comment="Form of k(N)."),
        sa.Column("estimator", sa.String(length=40), nullable=False, comment="How the parameters were estimated."),
        sa.Column("settings", sa.JSON(), nullable=False, comment="Every setting; with the same rows, the same fit."),
        sa.Column(
            "data_sha256", sa.String(length=64), nullable=False, comment="SHA-256 of the rows, in canonical form."
        ),
        sa.Column("num_points", sa.BigInteger(), nullable=False, comment="Evaluations used."),
        sa.Column("num_effective", sa.Double(), nullable=False, comment="The same, discounted for autocorrelation."),
        sa.Column("num_sizes", sa.BigInteger(), nullable=False, comment="Model sizes used."),
        sa.Column("num_runs", sa.BigInteger(), nullable=False, comment="Trajectories used."),
        sa.Column(
            "num_parameters", sa.BigInteger(), nullable=False, comment="Free parameters, levels of runs included."
        ),
        sa.Column("phi", sa.Double(), nullable=True, comment="Dispersion: evaluation noise over binomial noise."),
        sa.Column("run_sd", sa.Double(), nullable=True, comment="Standard deviation between runs, in log L."),
        sa.Column("deviance", sa.Double(), nullable=False, comment="Weighted residual sum of squares."),
        sa.Column("aicc", sa.Double(), nullable=True, comment="AICc with the effective number of points."),
        sa.Column("r2", sa.Double(), nullable=True, comment="R^2 of the law over all points, in log L."),
        sa.Column(
            "r2_size_means", sa.Double(), nullable=True, comment="R^2 of each size's mean alone: what r2 must beat."
        ),
        sa.Column("status", sa.String(length=40), nullable=False, comment="identified, kmax_not_identified, ..."),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name=op.f("fk_fit_sweep_id_sweep")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fit")),
        comment="One fit of one law to one set of rows; never changed once written.",
    )
    op.create_table(
        "trial",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="Number of the trial."
        ),
        sa.Column(
            "science_hash", sa.String(length=80), nullable=False, comment="Identity: hash of what changes the numbers."
        ),
        sa.Column("state", sa.String(length=16), nullable=False, comment="Where the trial stands."),
        sa.Column("model", sa.String(length=200), nullable=False, comment="Name of the model it starts from."),
        sa.Column("data", sa.String(length=200), nullable=False, comment="Name of its data."),
        sa.Column("algorithm", sa.String(length=40), nullable=False, comment="Name of its algorithm."),
        sa.Column(
            "seed",
            sa.BigInteger(),
            nullable=False,
            comment="Seed of base weights (when made here), sampling and training.",
        ),
        sa.Column("group_size", sa.BigInteger(), nullable=False, comment="Completions per prompt, G."),
        sa.Column(
            "prompts_per_step", sa.BigInteger(), nullable=False, comment="Prompts of one step (one rollout block)."
        ),
        sa.Column("updates_per_step", sa.BigInteger(), nullable=False, comment="Optimizer updates of one step."),
        sa.Column("learning_rate", sa.Double(), nullable=False, comment="Learning rate after warm-up."),
        sa.Column("kl_coefficient", sa.Double(), nullable=False, comment="Weight of the KL term."),
        sa.Column(
            "tau", sa.Double(), nullable=True, comment="How often each unique prompt is used; NULL: no fixed reuse."
        ),
        sa.Column("science", sa.JSON(), nullable=False, comment="The canonical configuration that was hashed."),
        sa.Column(
            "model_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="The weights it started from; NULL until prepared.",
        ),
        sa.Column(
            "data_set_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="The problems it used; NULL until prepared.",
        ),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False, comment="When it was first planned, UTC."),
        sa.Column(
            "finished_at", UtcDateTime(timezone=True), nullable=True, comment="When it reached a final state, UTC."
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'queued', 'running', 'paused', 'recovering', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_trial_state_known"),
        ),
        sa.ForeignKeyConstraint(["data_set_id"], ["data_set.id"], name=op.f("fk_trial_data_set_id_data_set")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_trial_model_id_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial")),
        sa.UniqueConstraint("science_hash", name=op.f("uq_trial_science_hash")),
        comment="One trajectory: a grid point that is run once, whichever sweeps ask for it.",
    )
    with op.batch_alter_table("trial", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_trial_state"), ["state"], unique=False)

    op.create_table(
        "attempt",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="Number of the attempt, database-wide.",
        ),
        sa.Column(
            "trial_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The trial."
        ),
        sa.Column(
            "number",
            sa.BigInteger(),
            nullable=False,
            comment="1 for the trial's first attempt; also its fencing token.",
        ),
        sa.Column(
            "sweep_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="The sweep that launched it.",
        ),
        sa.Column("state", sa.String(length=16), nullable=False, comment="Where it stands."),
        sa.Column("phase", sa.String(length=40), nullable=True, comment="What it is doing: preparing, training, ..."),
        sa.Column("phase_detail", sa.String(length=200), nullable=True, comment="The same, in a few words."),
        sa.Column("host", sa.String(length=255), nullable=False, comment="Host name."),
        sa.Column("pid", sa.BigInteger(), nullable=False, comment="Process id on that host."),
        sa.Column(
            "process_started_at",
            UtcDateTime(timezone=True),
            nullable=False,
            comment="Start of that process (pids are reused), UTC.",
        ),
        sa.Column("started_at", UtcDateTime(timezone=True), nullable=False, comment="When it was claimed, UTC."),
        sa.Column(
            "lease_expires_at",
            UtcDateTime(timezone=True),
            nullable=False,
            comment="Without a sign of life by then it is lost, UTC.",
        ),
        sa.Column("ended_at", UtcDateTime(timezone=True), nullable=True, comment="When it ended, UTC."),
        sa.Column(
            "resumed_from_step",
            sa.BigInteger(),
            nullable=True,
            comment="Step of the checkpoint it continued; 0: from the start; NULL: not known yet.",
        ),
        sa.Column("failure_class", sa.String(length=40), nullable=True, comment="Kind of failure; NULL: none."),
        sa.Column("message", sa.Text(), nullable=True, comment="Why it ended, in a sentence."),
        sa.Column("traceback", sa.Text(), nullable=True, comment="Traceback of a failure."),
        sa.Column("log_uri", sa.Text(), nullable=True, comment="Where its log is."),
        sa.Column("engine", sa.String(length=40), nullable=True, comment="Generation engine."),
        sa.Column("device", sa.String(length=200), nullable=True, comment="Device it trained on."),
        sa.Column("num_gpus", sa.Double(), nullable=True, comment="GPUs it was given."),
        sa.Column("num_cpus", sa.BigInteger(), nullable=True, comment="CPU cores of the host."),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True, comment="Memory of the host, in bytes."),
        sa.Column(
            "git_revision", sa.String(length=40), nullable=True, comment="Revision of the code; NULL: no checkout."
        ),
        sa.Column("git_dirty", sa.Boolean(), nullable=True, comment="Whether the checkout had uncommitted changes."),
        sa.Column("rlsweep_version", sa.String(length=40), nullable=True, comment="Version of rlsweep."),
        sa.Column("python_version", sa.String(length=40), nullable=True, comment="Version of Python."),
        sa.Column("torch_version", sa.String(length=40), nullable=True, comment="Version of torch."),
        sa.Column("transformers_version", sa.String(length=40), nullable=True, comment="Version of transformers."),
        sa.Column("trl_version", sa.String(length=40), nullable=True, comment="Version of TRL."),
        sa.Column("vllm_version", sa.String(length=40), nullable=True, comment="Version of vLLM; NULL: not installed."),
        sa.Column("ray_version", sa.String(length=40), nullable=True, comment="Version of Ray."),
        sa.CheckConstraint(
            "state IN ('running', 'succeeded', 'interrupted', 'failed', 'lost')", name=op.f("ck_attempt_state_known")
        ),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name=op.f("fk_attempt_sweep_id_sweep")),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("fk_attempt_trial_id_trial")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("trial_id", "number", name=op.f("uq_attempt_trial_id_number")),
        comment="One execution of a trial, from a checkpoint or from the start. The highest number of a trial is its living attempt; writes by any other are refused.",
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempt_state"), ["state"], unique=False)

    op.create_table(
        "fit_check",
        sa.Column("fit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The fit."),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="Place in the fit's list, from 0."),
        sa.Column("code", sa.String(length=20), nullable=False, comment="Code of the check."),
        sa.Column("severity", sa.String(length=20), nullable=False, comment="ok, note or warning."),
        sa.Column("value", sa.Double(), nullable=True, comment="What was measured."),
        sa.Column("threshold", sa.Double(), nullable=True, comment="What it was held against."),
        sa.Column("num_params", sa.BigInteger(), nullable=True, comment="Size it is about; NULL: all."),
        sa.Column("message", sa.Text(), nullable=False, comment="What it means."),
        sa.ForeignKeyConstraint(["fit_id"], ["fit.id"], name=op.f("fk_fit_check_fit_id_fit")),
        sa.PrimaryKeyConstraint("fit_id", "position", name=op.f("pk_fit_check")),
        comment="One check of a fit, in words.",
    )
    op.create_table(
        "fit_form",
        sa.Column("fit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The fit."),
        sa.Column("rank", sa.BigInteger(), nullable=False, comment="Place among the candidates, from 1."),
        sa.Column("k_form", sa.String(length=40), nullable=False, comment="Form of k(N)."),
        sa.Column("num_parameters", sa.BigInteger(), nullable=False, comment="Parameters of the form."),
        sa.Column("rss", sa.Double(), nullable=False, comment="Weighted residual sum of squares."),
        sa.Column("aicc", sa.Double(), nullable=True, comment="AICc with the effective number of points."),
        sa.Column("delta_aicc", sa.Double(), nullable=True, comment="AICc above that of the best candidate."),
        sa.Column("akaike_weight", sa.Double(), nullable=True, comment="Akaike weight among the candidates."),
        sa.Column(
            "holdout_error", sa.Double(), nullable=True, comment="Mean |error| of k in forward forecasts by size."
        ),
        sa.ForeignKeyConstraint(["fit_id"], ["fit.id"], name=op.f("fk_fit_form_fit_id_fit")),
        sa.PrimaryKeyConstraint("fit_id", "rank", name=op.f("pk_fit_form")),
        comment="One candidate for k(N), on the same data as the fit.",
    )
    op.create_table(
        "fit_holdout",
        sa.Column("fit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The fit."),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="Place in the fit's list, from 0."),
        sa.Column(
            "mode", sa.String(length=20), nullable=False, comment="in_sample, zero_shot, kshot(m) or oracle_level."
        ),
        sa.Column("quantity", sa.String(length=40), nullable=False, comment="What was forecast: k, final_loss, ..."),
        sa.Column("num_params", sa.BigInteger(), nullable=True, comment="Size that was forecast."),
        sa.Column(
            "prefix_share", sa.Double(), nullable=True, comment="Share of the run that was used; NULL: not a prefix."
        ),
        sa.Column("at_x", sa.Double(), nullable=True, comment="Where on the x-axis; NULL: a slope."),
        sa.Column("predicted", sa.Double(), nullable=True, comment="Forecast."),
        sa.Column("low", sa.Double(), nullable=True, comment="Lower end of its 95% interval."),
        sa.Column("high", sa.Double(), nullable=True, comment="Upper end of its 95% interval."),
        sa.Column("actual", sa.Double(), nullable=True, comment="What was seen."),
        sa.Column("actual_standard_error", sa.Double(), nullable=True, comment="Its standard error."),
        sa.Column("relative_error", sa.Double(), nullable=True, comment="(predicted - actual) / actual."),
        sa.Column("covered", sa.Boolean(), nullable=True, comment="Whether the interval holds what was seen."),
        sa.ForeignKeyConstraint(["fit_id"], ["fit.id"], name=op.f("fk_fit_holdout_fit_id_fit")),
        sa.PrimaryKeyConstraint("fit_id", "position", name=op.f("pk_fit_holdout")),
        comment="A forecast of a fit, held against what was seen.",
    )
    op.create_table(
        "fit_parameter",
        sa.Column("fit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The fit."),
        sa.Column("name", sa.String(length=40), nullable=False, comment="K_max, N_0, k, E, ..."),
        sa.Column("num_params", sa.BigInteger(), nullable=False, comment="Size it belongs to; 0: all sizes."),
        sa.Column("estimate", sa.Double(), nullable=True, comment="Estimate; NULL: not identified."),
        sa.Column("standard_error", sa.Double(), nullable=True, comment="Standard error."),
        sa.Column("low", sa.Double(), nullable=True, comment="Lower end of the 95% interval."),
        sa.Column("high", sa.Double(), nullable=True, comment="Upper end of the 95% interval."),
        sa.Column("interval_method", sa.String(length=200), nullable=True, comment="How the interval was obtained."),
        sa.Column("unit", sa.String(length=40), nullable=False, comment="Unit of the estimate; empty: none."),
        sa.Column("at_bound", sa.Boolean(), nullable=False, comment="Whether the estimate lies on a bound."),
        sa.ForeignKeyConstraint(["fit_id"], ["fit.id"], name=op.f("fk_fit_parameter_fit_id_fit")),
        sa.PrimaryKeyConstraint("fit_id", "name", "num_params", name=op.f("pk_fit_parameter")),
        comment="One parameter of a fit, with its 95% interval.",
    )
    op.create_table(
        "sweep_trial",
        sa.Column(
            "sweep_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The sweep."
        ),
        sa.Column(
            "trial_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The trial."
        ),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="Place in the sweep's expansion, from 0."),
        sa.Column("axes", sa.JSON(), nullable=False, comment="The value of each axis."),
        sa.Column("spec", sa.JSON(), nullable=False, comment="The resolved trial specification of this sweep."),
        sa.Column("budget_unit", sa.String(length=16), nullable=False, comment="Unit of the milestones."),
        sa.Column(
            "budget_last", sa.Double(), nullable=False, comment="Last milestone: the trial is done when it is reached."
        ),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name=op.f("fk_sweep_trial_sweep_id_sweep")),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("fk_sweep_trial_trial_id_trial")),
        sa.PrimaryKeyConstraint("sweep_id", "trial_id", name=op.f("pk_sweep_trial")),
        comment="Which sweep asks for which trial, and how far and how it is to be run there.",
    )
    with op.batch_alter_table("sweep_trial", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sweep_trial_trial_id"), ["trial_id"], unique=False)

    op.create_table(
        "checkpoint",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="Number of the checkpoint.",
        ),
        sa.Column(
            "trial_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The trial."
        ),
        sa.Column("attempt", sa.BigInteger(), nullable=False, comment="Number of the attempt that wrote it."),
        sa.Column("step", sa.BigInteger(), nullable=False, comment="Step at whose end it was written."),
        sa.Column("uri", sa.Text(), nullable=False, comment="Where it is."),
        sa.Column("num_bytes", sa.BigInteger(), nullable=False, comment="Size of its files, in bytes."),
        sa.Column(
            "manifest_sha256", sa.String(length=64), nullable=False, comment="SHA-256 of the list of its files' hashes."
        ),
        sa.Column("is_milestone", sa.Boolean(), nullable=False, comment="Whether a budget was reached at this step."),
        sa.Column("written_at", UtcDateTime(timezone=True), nullable=False, comment="When it was complete, UTC."),
        sa.Column(
            "deleted_at",
            UtcDateTime(timezone=True),
            nullable=True,
            comment="When its files were deleted, UTC; NULL: kept.",
        ),
        sa.ForeignKeyConstraint(
            ["trial_id", "attempt"],
            ["attempt.trial_id", "attempt.number"],
            name=op.f("fk_checkpoint_trial_id_attempt_attempt"),
        ),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("fk_checkpoint_trial_id_trial")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoint")),
        sa.UniqueConstraint("trial_id", "attempt", "step", name=op.f("uq_checkpoint_trial_id_attempt_step")),
        comment="A complete, verified copy of a trial's state at the end of a step.",
    )
    with op.batch_alter_table("checkpoint", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_checkpoint_trial_id_step"), ["trial_id", "step"], unique=False)

    op.create_table(
        "evaluation",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="Number of the evaluation.",
        ),
        sa.Column("trial_id", sa.BigInteger(), nullable=False, comment="The trial."),
        sa.Column("attempt", sa.BigInteger(), nullable=False, comment="Number of the attempt that computed it."),
        sa.Column(
            "step", sa.BigInteger(), nullable=False, comment="Step after which it was made; 0: before the first."
        ),
        sa.Column("recorded_at", UtcDateTime(timezone=True), nullable=False, comment="When it was recorded, UTC."),
        sa.Column("benchmark", sa.String(length=80), nullable=False, comment="The problems."),
        sa.Column(
            "protocol",
            sa.String(length=80),
            nullable=False,
            comment="How they were put and scored; never mixed in a fit.",
        ),
        sa.Column("problems", sa.BigInteger(), nullable=False, comment="Number of problems."),
        sa.Column(
            "samples_per_problem",
            sa.BigInteger(),
            nullable=True,
            comment="Completions a problem; NULL: exact probability.",
        ),
        sa.Column(
            "successes", sa.BigInteger(), nullable=True, comment="Right completions in all; NULL: exact probability."
        ),
        sa.Column("score", sa.Double(), nullable=False, comment="Pass@1."),
        sa.Column("standard_error", sa.Double(), nullable=True, comment="Standard error of the score over problems."),
        sa.Column("evaluation_flops", sa.Double(), nullable=False, comment="Model FLOPs it cost."),
        sa.Column("seconds", sa.Double(), nullable=False, comment="Seconds it took."),
        sa.ForeignKeyConstraint(
            ["trial_id", "attempt"],
            ["attempt.trial_id", "attempt.number"],
            name=op.f("fk_evaluation_trial_id_attempt_attempt"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation")),
        sa.UniqueConstraint(
            "trial_id",
            "attempt",
            "step",
            "benchmark",
            "protocol",
            name=op.f("uq_evaluation_trial_id_attempt_step_benchmark_protocol"),
        ),
        comment="One benchmark at one step. Test loss is 1 - score.",
    )
    op.create_table(
        "step",
        sa.Column("trial_id", sa.BigInteger(), nullable=False, comment="The trial."),
        sa.Column("attempt", sa.BigInteger(), nullable=False, comment="Number of the attempt that computed it."),
        sa.Column("step", sa.BigInteger(), nullable=False, comment="Number of the step, from 1."),
        sa.Column("recorded_at", UtcDateTime(timezone=True), nullable=False, comment="When it was recorded, UTC."),
        sa.Column("samples", sa.BigInteger(), nullable=False, comment="Prompts of the step."),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False, comment="Prompt tokens, once per completion."),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False, comment="Completion tokens."),
        sa.Column("cumulative_samples", sa.BigInteger(), nullable=False, comment="Prompts seen so far: D."),
        sa.Column("cumulative_tokens", sa.BigInteger(), nullable=False, comment="Prompt and completion tokens so far."),
        sa.Column(
            "cumulative_flops", sa.Double(), nullable=False, comment="Model FLOPs of generation and training so far: C."
        ),
        sa.Column(
            "cumulative_paper_flops",
            sa.Double(),
            nullable=True,
            comment="6 x nominal parameters x tokens so far, as arXiv 2509.25300 counts; NULL: no nominal size.",
        ),
        sa.Column(
            "cumulative_seconds",
            sa.Double(),
            nullable=False,
            comment="Seconds of training so far, evaluation not counted.",
        ),
        sa.Column("generation_flops", sa.Double(), nullable=False, comment="Model FLOPs of generation."),
        sa.Column(
            "old_logprob_flops", sa.Double(), nullable=False, comment="Model FLOPs of the sampling policy's log-probs."
        ),
        sa.Column("reference_flops", sa.Double(), nullable=False, comment="Model FLOPs of the reference's log-probs."),
        sa.Column("train_flops", sa.Double(), nullable=False, comment="Model FLOPs of forward and backward passes."),
        sa.Column("flops_version", sa.BigInteger(), nullable=False, comment="Version of the FLOP formulas."),
        sa.Column("step_seconds", sa.Double(), nullable=False, comment="Seconds of the whole step."),
        sa.Column("generation_seconds", sa.Double(), nullable=False, comment="Seconds of generation."),
        sa.Column("logprob_seconds", sa.Double(), nullable=False, comment="Seconds of old and reference log-probs."),
        sa.Column("reward_seconds", sa.Double(), nullable=False, comment="Seconds of verification."),
        sa.Column("loss", sa.Double(), nullable=True, comment="Policy loss, mean over the step's updates."),
        sa.Column("reward", sa.Double(), nullable=True, comment="Mean training reward."),
        sa.Column("reward_std", sa.Double(), nullable=True, comment="Mean over groups of the reward's deviation."),
        sa.Column(
            "zero_variance_share", sa.Double(), nullable=True, comment="Share of groups whose rewards are all equal."
        ),
        sa.Column("kl", sa.Double(), nullable=True, comment="KL to the reference; NULL: no reference."),
        sa.Column("entropy", sa.Double(), nullable=True, comment="Mean entropy per completion token, in nats."),
        sa.Column("clipped_share", sa.Double(), nullable=True, comment="Share of tokens whose ratio was clipped."),
        sa.Column(
            "gradient_norm", sa.Double(), nullable=True, comment="Gradient norm before clipping, mean over updates."
        ),
        sa.Column("learning_rate", sa.Double(), nullable=True, comment="Learning rate of the last update."),
        sa.Column("mean_completion_tokens", sa.Double(), nullable=True, comment="Mean completion length."),
        sa.Column("max_completion_tokens", sa.Double(), nullable=True, comment="Longest completion."),
        sa.Column("truncated_share", sa.Double(), nullable=True, comment="Share of completions cut at the limit."),
        sa.Column(
            "sampling_logprob_difference",
            sa.Double(),
            nullable=True,
            comment="Mean absolute difference between the engine's log-probs and the policy's; NULL: no engine.",
        ),
        sa.ForeignKeyConstraint(
            ["trial_id", "attempt"],
            ["attempt.trial_id", "attempt.number"],
            name=op.f("fk_step_trial_id_attempt_attempt"),
        ),
        sa.PrimaryKeyConstraint("trial_id", "attempt", "step", name=op.f("pk_step")),
        comment="One rollout block: its prompts, completions, updates and cost. `cumulative_` columns count the whole trajectory up to and including this step, whichever attempts computed it.",
    )
    op.create_table(
        "fit_point",
        sa.Column("fit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="The fit."),
        sa.Column(
            "evaluation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="The evaluation.",
        ),
        sa.Column(
            "role", sa.String(length=20), nullable=False, comment="train, holdout, baseline, outside_window, ..."
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="Why it was left out."),
        sa.Column("weight", sa.Double(), nullable=True, comment="Weight in the fit."),
        sa.Column("fitted_loss", sa.Double(), nullable=True, comment="The law's test loss there."),
        sa.Column("residual", sa.Double(), nullable=True, comment="log of observed minus log of fitted loss."),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name=op.f("fk_fit_point_evaluation_id_evaluation")
        ),
        sa.ForeignKeyConstraint(["fit_id"], ["fit.id"], name=op.f("fk_fit_point_fit_id_fit")),
        sa.PrimaryKeyConstraint("fit_id", "evaluation_id", name=op.f("pk_fit_point")),
        comment="The role of each evaluation in a fit, also of those left out.",
    )
    for statement in VIEWS.values():
        op.execute(statement)


def downgrade() -> None:
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW {view}")
    op.drop_table("fit_point")
    op.drop_table("step")
    op.drop_table("evaluation")
    with op.batch_alter_table("checkpoint", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_checkpoint_trial_id_step"))

    op.drop_table("checkpoint")
    with op.batch_alter_table("sweep_trial", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sweep_trial_trial_id"))

    op.drop_table("sweep_trial")
    op.drop_table("fit_parameter")
    op.drop_table("fit_holdout")
    op.drop_table("fit_form")
    op.drop_table("fit_check")
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attempt_state"))

    op.drop_table("attempt")
    with op.batch_alter_table("trial", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_trial_state"))

    op.drop_table("trial")
    op.drop_table("fit")
    op.drop_table("sweep")
    op.drop_table("model")
    op.drop_table("data_set")
