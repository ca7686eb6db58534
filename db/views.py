"""The views, described for querying and for analysts. Their SQL is in the migrations; a test holds the two equal.

The same names and columns on SQLite and on PostgreSQL. Every view of results shows the live lineage only: a step that
a later attempt has taken again, because it continued from a checkpoint before it, is in the tables and in the ledger
of what was paid, but not on a curve.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, MetaData, String, Table, Text
from sqlalchemy.types import TypeEngine

from db.tables import Evaluation, Step
from db.types import UtcDateTime

views = MetaData()

COUNT, WORD, TEXT, MOMENT = BigInteger(), String(), Text(), UtcDateTime(timezone=True)
NUMBER: Double[float] = Double()

# One meaning for one name, in whichever view it stands.
_MEANINGS: dict[str, tuple[TypeEngine[Any], str]] = {
    "evaluation_id": (COUNT, "Number of the evaluation."),
    "trial_id": (COUNT, "The trial."),
    "sweep_id": (COUNT, "The sweep."),
    "sweep": (WORD, "Name of the sweep."),
    "attempt": (COUNT, "Number of the attempt."),
    "attempt_state": (WORD, "running, succeeded, stopped, interrupted, failed or lost."),
    "position": (COUNT, "Place in the sweep's expansion, from 0."),
    "origin": (WORD, "native, or the format it was imported from."),
    "model": (WORD, "Name of the model it started from."),
    "family": (WORD, "Family of the model; NULL: not known."),
    "variant": (WORD, "base, instruct, ...; NULL: not known."),
    "num_params": (COUNT, "Parameters without embeddings: N."),
    "total_params": (COUNT, "All parameters, tied ones once."),
    "nominal_params": (NUMBER, "Parameters by name, as in 7B."),
    "data": (WORD, "Name of the training data."),
    "algorithm": (WORD, "Name of the algorithm."),
    "seed": (COUNT, "Seed."),
    "group_size": (COUNT, "Completions per prompt: G."),
    "tau": (NUMBER, "How often each unique prompt is used; NULL: no fixed reuse."),
    "prompts_per_step": (COUNT, "Prompts of one step."),
    "updates_per_step": (COUNT, "Optimizer updates of one step."),
    "kl_coefficient": (NUMBER, "Weight of the KL term."),
    "learning_rate": (NUMBER, "Learning rate after warm-up."),
    "state": (WORD, "planned, queued, running, paused, recovering, succeeded, stopped, failed or cancelled."),
    "trial_state": (WORD, "planned, queued, running, paused, recovering, succeeded, stopped, failed or cancelled."),
    "step": (COUNT, "Step after which it was scored; 0: before the first."),
    "samples": (COUNT, "Prompts seen up to that step: D; NULL: not counted."),
    "tokens": (COUNT, "Prompt and completion tokens up to that step; NULL: not counted."),
    "flops": (NUMBER, "Model FLOPs of generation and training up to that step: C; NULL: not counted."),
    "paper_flops": (NUMBER, "6 x nominal parameters x tokens, as arXiv 2509.25300 counts; NULL: no nominal size."),
    "train_seconds": (NUMBER, "Seconds of training up to that step, without evaluation; NULL: not measured."),
    "gpu_hours": (NUMBER, "GPU-hours of training up to that step; 0 on CPUs; NULL: not measured."),
    "benchmark": (WORD, "Name of the problems."),
    "protocol": (WORD, "How they were put and scored; never mix two."),
    "problems": (COUNT, "Number of problems."),
    "samples_per_problem": (COUNT, "Completions a problem; NULL: exact probability."),
    "successes": (COUNT, "Right completions in all; NULL: exact probability, or not known."),
    "score": (NUMBER, "Pass@1, from 0 to 1."),
    "test_loss": (NUMBER, "1 - score."),
    "standard_error": (NUMBER, "Standard error of the score over problems."),
    "failure_class": (WORD, "Kind of failure, as in gpu_memory, numerical, code; NULL: none."),
    "outcome": (WORD, "What a health gate found, as in entropy_collapse; NULL: none ended it."),
    "message": (TEXT, "Why the attempt ended, in a sentence."),
    "started_at": (MOMENT, "When the attempt was claimed, UTC."),
    "ended_at": (MOMENT, "When the attempt ended, UTC."),
    "num_gpus": (NUMBER, "GPUs the attempt was given."),
    "gpu_peak_flops": (NUMBER, "Published dense bfloat16 FLOP/s of one of them; NULL: not known."),
    "lost_steps": (COUNT, "Steps of the attempt that a later one took again."),
    "lost_flops": (NUMBER, "FLOPs paid for those steps; NULL: not counted."),
    "lost_seconds": (NUMBER, "Seconds of those steps; NULL: not measured."),
}
_TRAJECTORY = ("model", "family", "variant", "num_params", "total_params", "nominal_params",
               "data", "algorithm", "seed", "group_size", "tau", "learning_rate",
               "prompts_per_step", "updates_per_step", "kl_coefficient", "origin", "trial_state")  # fmt: skip
_REACHED = ("samples", "tokens", "flops", "paper_flops", "train_seconds", "gpu_hours")


def _view(name: str, comment: str, *columns: str | Column[Any]) -> Table:
    """A view from columns of the common vocabulary, by name, and columns of its own."""
    made = [
        Column(column, _MEANINGS[column][0], comment=_MEANINGS[column][1]) if isinstance(column, str) else column
        for column in columns
    ]
    return Table(name, views, *made, comment=comment)


def _own(name: str, kind: TypeEngine[Any], comment: str) -> Column[Any]:
    return Column(name, kind, comment=comment)


def _columns_of(table: Any) -> list[Column[Any]]:
    return [_own(column.name, column.type, column.comment or "") for column in table.columns]


learning_curve = _view(
    "learning_curve",
    "Every live evaluation of every trial, with the compute and data it had cost by then.",
    "evaluation_id", "trial_id", "attempt", "step", *_TRAJECTORY, *_REACHED,
    "benchmark", "protocol", "problems", "samples_per_problem", "successes", "score", "test_loss", "standard_error",
    _own("truncated_share", NUMBER, "Share of that step's completions that were cut at the limit; NULL: not known."),
)  # fmt: skip

final_result = _view(
    "final_result",
    "The last live evaluation of every trial on every benchmark, with its first and its best.",
    "evaluation_id", "trial_id", *_TRAJECTORY, "benchmark", "protocol", "problems", "samples_per_problem",
    "step", *_REACHED, "score", "test_loss", "standard_error",
    _own("first_test_loss", NUMBER, "Test loss at its first evaluation."),
    _own("best_test_loss", NUMBER, "Lowest test loss anywhere on the curve: an optimistic number."),
    _own("gain", NUMBER, "first_test_loss - test_loss: what training has brought."),
)  # fmt: skip

flop_ledger = _view(
    "flop_ledger",
    "What every attempt cost, by phase: paid, useful (live) and lost (taken again by a later attempt).",
    "trial_id", "attempt",
    _own("sweep_id", COUNT, "The sweep that launched the attempt; NULL: not known."),
    "attempt_state", "failure_class", "model", "num_params", "algorithm", "seed", "origin",
    _own("steps", COUNT, "Steps of the attempt."),
    "lost_steps",
    _own("generation_flops", NUMBER, "Model FLOPs of generation."),
    _own("old_logprob_flops", NUMBER, "Model FLOPs of the sampling policy's log-probs."),
    _own("reference_flops", NUMBER, "Model FLOPs of the reference's log-probs."),
    _own("train_flops", NUMBER, "Model FLOPs of forward and backward passes."),
    _own("paid_flops", NUMBER, "The four phases together; NULL: not counted, as in most imported runs."),
    _own("useful_flops", NUMBER, "Those of live steps; NULL: not counted."),
    "lost_flops",
    _own("executed_flops", NUMBER, "What was really done for paid_flops, padding and all; NULL: not counted."),
    _own("evaluation_flops", NUMBER, "Model FLOPs of evaluations, not in the above; NULL: none."),
    _own("paid_seconds", NUMBER, "Seconds of all its steps."),
    "lost_seconds", "num_gpus", "gpu_peak_flops",
)  # fmt: skip

sweep_coverage = _view(
    "sweep_coverage",
    "How much of every sweep is done: its trials by state.",
    "sweep_id", "sweep",
    _own("trials", COUNT, "Trials of the sweep."),
    *(_own(state, COUNT, f"Trials that are {state}.") for state in (
        "planned", "queued", "running", "paused", "recovering", "succeeded", "stopped", "failed", "cancelled")),
    _own("mean_share", NUMBER, "Mean over trials of the share of the budget that is reached; NULL: no budgets."),
    _own("attempts", COUNT, "Attempts at its trials, in any sweep."),
    _own("first_planned_at", MOMENT, "When its first trial was planned, UTC."),
    _own("last_finished_at", MOMENT, "When the last of its finished trials ended, UTC."),
)  # fmt: skip

trial_status = _view(
    "trial_status",
    "The trials of every sweep and how far each has come.",
    "sweep_id", "sweep", "trial_id", "position", "model", "seed", "state",
    _own("hold", WORD, "What a person asked of it: pause or cancel; NULL: nothing."),
    _own("priority", COUNT, "Of trials that wait for a place, those with a higher one start first."),
    "origin", "num_params", "attempt", "attempt_state",
    _own("phase", WORD, "What the newest attempt is doing."),
    _own("phase_detail", WORD, "The same, in a few words."),
    "started_at", "ended_at",
    _own("lease_expires_at", MOMENT, "Without a sign of life by then the attempt is lost, UTC."),
    "failure_class", "outcome", "message",
    _own("step", COUNT, "Last live step; 0: none yet."),
    _own("budget_unit", WORD, "Unit of the budget; NULL: imported."),
    _own("budget_last", NUMBER, "The last budget; NULL: imported."),
    _own("spent", NUMBER, "How much of it is used, in its unit; NULL: imported."),
    "train_seconds",
    _own("first_loss", NUMBER, "Test loss at the trial's first evaluation."),
    _own("last_loss", NUMBER, "Test loss at its last one, on the same benchmark."),
)  # fmt: skip

attempt_failure = _view(
    "attempt_failure",
    "Every attempt that failed or was lost, and what that cost.",
    _own("sweep", WORD, "Name of the sweep that launched the attempt; NULL: not known."),
    "trial_id", "attempt", "model", "num_params", "algorithm", "seed", "group_size", "tau", "attempt_state",
    _own("failure_class", WORD, "Kind of failure; `lost`: nobody knows."),
    "message",
    _own("host", WORD, "Where it ran."),
    "started_at", "ended_at",
    _own("resumed_from_step", COUNT, "Step of the checkpoint it continued; 0: from the start; NULL: not that far."),
    _own("live_through_step", COUNT, "Its steps after this one were lost; NULL: none."),
    _own("last_step", COUNT, "Its last step; NULL: none."),
    _own("paid_flops", NUMBER, "FLOPs of all its steps; NULL: not counted."),
    _own("useful_flops", NUMBER, "Those of live steps: of no use either, if the trial never got any further."),
    "lost_steps", "lost_flops", "lost_seconds", "num_gpus", "trial_state",
)  # fmt: skip

data_reuse = _view(
    "data_reuse",
    "Runs that reuse their data beside their twins at tau = 1: equal but for tau, after equally many prompts.",
    "trial_id", "model", "num_params", "data", "algorithm", "seed", "group_size", "learning_rate", "tau",
    _own("unique_prompts", COUNT, "Distinct training prompts; NULL: not known."),
    _own("uses_per_prompt", NUMBER, "Mean draws of each of them so far: the tau that was realised; NULL: not known."),
    "step", "samples", "flops", "benchmark", "protocol", "score", "test_loss", "standard_error",
    _own("baseline_trial_id", COUNT, "The twin at tau = 1; a trial at tau = 1 is its own."),
    _own("baseline_test_loss", NUMBER, "Its test loss."),
    _own("loss_difference", NUMBER, "test_loss - baseline_test_loss: above 0, reuse hurts."),
    _own("loss_ratio", NUMBER, "test_loss / baseline_test_loss; NULL: the baseline is at 0."),
)  # fmt: skip

prompt_exposure = _view(
    "prompt_exposure",
    "How often each training prompt of each trial has been drawn, of trials on data with an end.",
    "trial_id", "model", "tau",
    _own("data_set_id", COUNT, "The data set that it is trained on."),
    _own("position", COUNT, "Place of the prompt in the order of training, from 0."),
    _own("sha256", WORD, "SHA-256 of prompt and answer."),
    _own("data_source", WORD, "Where the problem is from, as in math__gsm8k; NULL: not known."),
    _own("times_drawn", COUNT, "How often it was drawn up to the trial's last live step."),
)  # fmt: skip

step_phase = _view(
    "step_phase",
    "What every phase of every live step took: seconds, GPU-seconds, model FLOPs, executed FLOPs. Sum what you group.",
    "trial_id", "attempt",
    _own("step", COUNT, "The step; of an evaluation the one after which it was made."),
    "model", "num_params",
    _own("phase", WORD, "generation, logprob (sampling policy and reference), reward, update or evaluation."),
    _own("seconds", NUMBER, "Seconds it took; NULL: not measured."),
    _own("gpu_seconds", NUMBER, "The same times GPUs held; 0 on CPUs."),
    _own("flops", NUMBER, "Model FLOPs: what was needed; NULL: not counted."),
    _own("executed_flops", NUMBER, "FLOPs that were really done, padding and all; NULL: not counted."),
    _own("peak_flops", NUMBER, "What its GPUs could have done meanwhile; NULL: CPUs, or a peak that is not known."),
    _own("utilisation", NUMBER, "flops / peak_flops of this row; of several, divide their sums."),
)  # fmt: skip

group_size_curve = _view(
    "group_size_curve",
    "Curves by group size, averaged over runs that differ in nothing but their seed.",
    "model", "variant", "num_params", "data", "algorithm", "learning_rate", "tau", "group_size",
    "prompts_per_step", "updates_per_step", "kl_coefficient", "benchmark", "protocol", "step",
    _own("runs", COUNT, "Runs in the average."),
    _own("mean_samples", NUMBER, "Mean prompts seen."),
    _own("mean_tokens", NUMBER, "Mean tokens."),
    _own("mean_flops", NUMBER, "Mean model FLOPs: C."),
    _own("mean_test_loss", NUMBER, "Mean test loss."),
    _own("min_test_loss", NUMBER, "Lowest test loss among the runs."),
    _own("max_test_loss", NUMBER, "Highest test loss among the runs."),
)  # fmt: skip

fit_summary = _view(
    "fit_summary",
    "Every fit, with its main parameters and what speaks against it.",
    _own("fit_id", COUNT, "Number of the fit."),
    "sweep_id", "sweep",
    _own("created_at", MOMENT, "When it was made, UTC."),
    _own("rlsweep_version", WORD, "Version of the code."),
    _own("scope", WORD, "inter-model, intra-model, data-reuse, group-size or transfer."),
    _own("x", WORD, "What the loss is fitted against: samples, flops, ..."),
    "benchmark", "protocol",
    _own("k_form", WORD, "Form of k(N); free: a slope of its own for every size, and no law; NULL: not asked for."),
    _own("estimator", WORD, "How the parameters were estimated; NULL: nothing to choose."),
    _own("status", WORD, "identified, or what is not; in other scopes than inter-model: judged."),
    _own("summary", TEXT, "What was found, in sentences."),
    _own("k_max", NUMBER, "K_max; NULL: not in this law, as where k_form is free."),
    _own("k_max_low", NUMBER, "Lower end of its 95% interval."),
    _own("k_max_high", NUMBER, "Upper end of its 95% interval."),
    _own("n_0", NUMBER, "N_0, in parameters; NULL: not in this law, as where k_form is free."),
    _own("n_0_low", NUMBER, "Lower end of its 95% interval."),
    _own("n_0_high", NUMBER, "Upper end of its 95% interval."),
    _own("num_points", COUNT, "Evaluations used."),
    _own("num_effective", NUMBER, "The same, discounted for autocorrelation."),
    _own("num_sizes", COUNT, "Model sizes used."),
    _own("num_runs", COUNT, "Trajectories used."),
    _own("r2", NUMBER, "R^2 of the law over all points, in log L."),
    _own("r2_size_means", NUMBER, "R^2 of each size's mean alone: what r2 must beat."),
    _own("aicc", NUMBER, "AICc with the effective number of points."),
    _own("worst_forecast_error", NUMBER, "Largest |relative error| of its forecasts of held-out rows; NULL: none."),
    _own("warnings", COUNT, "Checks that speak against it."),
)  # fmt: skip

live_step = _view("live_step", "The steps of the live lineage.", *_columns_of(Step.__table__))

live_evaluation = _view("live_evaluation", "The evaluations of the live lineage.", *_columns_of(Evaluation.__table__))

live_checkpoint = _view(
    "live_checkpoint",
    "Checkpoints of the live lineage whose files are there: what the next attempt may continue from.",
    "trial_id", "attempt",
    _own("step", COUNT, "Step at whose end it was written."),
    _own("uri", TEXT, "Where it is."),
    _own("num_bytes", COUNT, "Size of its files, in bytes."),
    _own("manifest_sha256", WORD, "SHA-256 of the list of its files' hashes."),
    _own("is_milestone", Boolean(), "Whether a budget was reached at this step."),
)  # fmt: skip
