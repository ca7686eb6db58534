"""What the database tells a plan: which trials are done, and the lengths, speed and pace that trials have shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update
from typer.testing import CliRunner

from db.connection.engines import begin_write
from db.measurements import Measurements
from db.records import Provenance
from db.states import AttemptState, Origin
from db.store import AttemptStore, PlanStore, Registration, claim
from db.tables import Trial
from orchestrator.cli import app
from orchestrator.planning.kinds import kinds_of
from orchestrator.planning.known import known_runs
from orchestrator.planning.plan import SweepPlan, plan_sweep
from orchestrator.planning.totals import STARTING_SECONDS
from orchestrator.registration import register
from orchestrator.sweepfile.loading import LoadedSweep, load_sweep
from tests.contract.attempt_records import ONE_OF_EACH
from tests.records import HERE, evaluation, step
from tests.unit.test_plan_gpus import SWEEPS, on_gpus

H100, PEAK = "NVIDIA H100 80GB HBM3", 989.4e12
ENDED, LOST = AttemptState.INTERRUPTED, AttemptState.LOST
SMALL = ("axes.grid.model=[qwen2.5-0.5b]",)
LAST = 105  # steps of single_gpu and of compute_scaling


def sweep(name: str = "single_gpu", *overrides: str) -> LoadedSweep:
    return load_sweep(SWEEPS / f"{name}.yaml", [*SMALL, *overrides] if name != "quickstart" else overrides)


def planned(database: Engine, loaded: LoadedSweep) -> SweepPlan:
    return plan_sweep(loaded, known=known_runs(Measurements(database), kinds_of(loaded.trials)), cpus=2)


def run(
    database: Engine,
    registered: Registration,
    trial: int,
    steps: range,
    *,
    share: float = 0.1,
    tokens: tuple[int, int] = (200, 700),
    end: AttemptState | None = ENDED,
    device: str = H100,
    num_gpus: float = 1.0,
    prompts: int = 128,
    peak_memory: int = 1 << 33,
    execution: dict[str, Any] | None = None,
) -> AttemptStore:
    """An attempt at the trial of that position: steps of 10^16 FLOPs at that share of an H100's peak."""
    store = claim(database, trial_id=registered.trial_ids[trial], sweep_id=registered.sweep_id, process=HERE)
    provenance = ONE_OF_EACH["Provenance"]
    assert isinstance(provenance, Provenance)
    store.record(replace(provenance, device=device, num_gpus=num_gpus, execution=execution))
    store.resume_from(steps.start - 1)
    seconds, completions = 1e16 / (share * PEAK * (num_gpus or 1)), prompts * 8
    costs: dict[str, Any] = {
        "samples": prompts, "prompt_tokens": completions * tokens[0], "completion_tokens": completions * tokens[1],
        "generation_flops": 1e15, "train_flops": 9e15, "step_seconds": seconds,
        "peak_memory_bytes": peak_memory,
    }  # fmt: skip
    store.record(*(
        step(n, **costs, cumulative_samples=prompts * n, cumulative_flops=1e16 * n, cumulative_seconds=seconds * n)
        for n in steps
    ))  # fmt: skip
    if end is LOST:
        PlanStore(database).declare_lost(registered.sweep_id, is_dead=lambda _: True)
    elif end is not None:
        store.end(end)
    return store


def all_of(last: int = LAST) -> range:
    return range(1, last + 1)


def utilisation(plan: SweepPlan, kind: int = 0) -> tuple[str, Any]:
    found = on_gpus(plan.kinds[kind].plan).utilisation
    return found.source, (found.share.low, found.share.central, found.share.high)


def test_done_and_partly_done_trials_are_not_planned_again(database: Engine) -> None:
    loaded = sweep("single_gpu", "seed=[0, 1, 2, 3]")
    registered = register(database, loaded)
    run(database, registered, 0, all_of(), end=AttemptState.SUCCEEDED)
    run(database, registered, 1, all_of(42))
    run(database, registered, 2, all_of(21), end=None)
    plan = planned(database, loaded)
    assert [trial.cached for trial in plan.trials] == ["done", "partly", "partly", "new"]
    assert [trial.done_share for trial in plan.trials] == pytest.approx([1, 0.4, 0.2, 0])
    totals, each = plan.totals, plan.kinds[0].plan.flops.total
    assert (totals.done, totals.partly, totals.new) == (1, 2, 1)
    scoring = 1.6 * plan.kinds[0].plan.flops.evaluation  # of which nothing is recorded here
    assert totals.cached_flops == pytest.approx((105 + 42 + 21) * 1e16 + scoring)
    assert totals.flops_left == pytest.approx(2.4 * each)
    assert totals.gpu_hours is not None
    assert totals.gpu_hours_left is not None
    assert totals.gpu_hours_left.central == pytest.approx(totals.gpu_hours.central * 2.4 / 4)
    assert totals.wall_hours is not None
    wall = totals.wall_hours.central - STARTING_SECONDS / 3600
    assert wall == pytest.approx(totals.gpu_hours_left.central)  # one trial at a time


def test_cached_flops_are_those_recorded_of_live_steps_and_scores_that_the_sweep_asks_for(database: Engine) -> None:
    registered = register(database, sweep())
    store = run(database, registered, 0, all_of(60), end=None)
    store.record(evaluation(0, 0.5, evaluation_flops=7e15), evaluation(50, 0.5, evaluation_flops=3e15))
    store.end(ENDED)
    run(database, registered, 0, range(41, 51), end=ENDED)  # steps 41 to 60 and the score at 50 count no more
    whole = planned(database, sweep()).trials[0]
    assert whole.done_flops == pytest.approx(50e16 + 7e15)
    nearer = planned(database, sweep("single_gpu", "budgets={unit: steps, at: [10]}")).trials[0]
    assert (nearer.cached, nearer.done_flops) == ("done", pytest.approx(whole.done_flops / 5))


def test_a_trial_of_another_sweep_is_the_same_trial(database: Engine) -> None:
    registered = register(database, sweep("compute_scaling"))
    for trial in range(3):
        run(database, registered, trial, all_of(), prompts=512, end=AttemptState.SUCCEEDED)
    plan = planned(database, sweep("data_scaling"))
    assert [trial.cached for trial in plan.trials] == ["done"] * 3
    assert (plan.totals.flops_left, plan.totals.gpus_at_once) == (0, 0)
    assert plan.totals.peak_bytes == plan.totals.kept_bytes > 0
    further = planned(database, sweep("data_scaling", "budgets.at=[107520]"))
    assert [trial.done_share for trial in further.trials] == [0.5] * 3
    changed = planned(database, sweep("data_scaling", "optimizer.learning_rate=2e-6"))
    assert changed.totals.new == 3


@pytest.mark.parametrize("unit", ["steps", "samples", "tokens", "flops", "gpu_hours"])
def test_what_is_done_is_measured_in_the_unit_of_the_budget(sqlite_database: Engine, unit: str) -> None:
    loaded = sweep()
    reached = {
        "steps": 50,
        "samples": 6400,
        "tokens": 6656 * 50,
        "flops": 5e17,
        "gpu_hours": 5e17 / (0.1 * PEAK) / 3600,
    }
    run(sqlite_database, register(sqlite_database, loaded), 0, all_of(50))
    half = planned(sqlite_database, sweep("single_gpu", f"budgets={{unit: {unit}, at: [{2 * reached[unit]!r}]}}"))
    assert half.trials[0].done_share == pytest.approx(0.5)


def test_measured_lengths_take_the_place_of_assumed_ones(database: Engine) -> None:
    registered = register(database, sweep())
    run(database, registered, 0, all_of(10), tokens=(200, 700))
    run(database, registered, 1, all_of(30), tokens=(200, 300))
    same_data = planned(database, sweep("compute_scaling")).kinds[0].plan.lengths
    assert (same_data.prompt_tokens, same_data.completion_tokens) == pytest.approx((200, 400))  # completions count
    assert same_data.source == "measured"
    shorter = planned(database, sweep("single_gpu", "generation.max_completion_tokens=512")).kinds[0].plan.lengths
    given = planned(database, sweep("single_gpu", "expected.completion_tokens=900")).kinds[0].plan.lengths
    assert shorter.source == "assumed"
    assert (given.prompt_tokens, given.completion_tokens, given.source) == (200, 900, "given")


def test_measured_utilisation_narrows_with_trials(database: Engine) -> None:
    loaded = sweep("single_gpu", "seed=[0, 1, 2]")
    registered = register(database, loaded)
    assert utilisation(planned(database, loaded)) == ("assumed", pytest.approx((0.025, 0.05, 0.1), rel=1e-3))
    run(database, registered, 0, all_of(10), share=0.2)
    assert utilisation(planned(database, loaded)) == ("measured", pytest.approx((0.16, 0.2, 0.25)))
    run(database, registered, 1, all_of(30), share=0.21, num_gpus=2.0)
    run(database, registered, 2, all_of(20), share=0.19, end=None)
    assert utilisation(planned(database, loaded)) == ("measured", pytest.approx((0.18, 0.2, 0.22)))
    hours = planned(database, loaded).kinds[0].plan
    assert hours.gpu_hours is not None
    assert hours.gpu_hours.central == pytest.approx(hours.flops.total / (0.2 * PEAK) / 3600)


def test_what_was_measured_counts_for_its_model_and_its_gpu_only(database: Engine) -> None:
    registered = register(database, sweep())
    run(database, registered, 0, all_of(5), share=0.2)
    run(database, registered, 1, all_of(5), share=0.9, device="NVIDIA H100 80GB HBM3 MIG 1g.10gb")
    both = sweep("single_gpu", "model=[qwen2.5-0.5b, qwen2.5-1.5b]")
    assert [utilisation(planned(database, both), kind)[0] for kind in (0, 1)] == ["measured", "assumed"]
    assert utilisation(planned(database, both))[1][1] == pytest.approx(0.2)
    assert utilisation(planned(database, sweep("single_gpu", "resources.gpu=A100-80GB")))[0] == "assumed"
    assert utilisation(planned(database, sweep("single_gpu", "lora.rank=8")))[0] == "assumed"
    served = sweep("single_gpu", "resources.trials_per_gpu=1", "resources.server_gpus=1")
    assert utilisation(planned(database, served))[0] == "assumed"  # there some GPUs always wait
    given = utilisation(planned(database, sweep("single_gpu", "expected.utilization=0.4")))
    assert given == ("given", pytest.approx((0.32, 0.4, 0.5)))


def test_steps_that_were_taken_again_do_not_count(database: Engine) -> None:
    registered = register(database, sweep())
    run(database, registered, 0, all_of(40), share=0.01, tokens=(1, 1))
    run(database, registered, 0, all_of(20), share=0.2, tokens=(200, 700))
    plan = planned(database, sweep())
    assert utilisation(plan)[1][1] == pytest.approx(0.2)
    assert plan.kinds[0].plan.lengths.completion_tokens == 700
    assert plan.trials[0].done_share == pytest.approx(20 / LAST)


def test_a_step_without_its_numbers_does_not_pass_for_nothing(database: Engine) -> None:
    registered = register(database, sweep())
    store = run(database, registered, 0, all_of(5), share=0.2, end=None)
    store.record(step(6, samples=None, completion_tokens=None, step_seconds=None))
    plan = planned(database, sweep())
    assert utilisation(plan)[0] == "assumed"
    assert plan.kinds[0].plan.lengths.source == "assumed"


def test_imported_runs_tell_a_plan_nothing(database: Engine, tmp_path: Path) -> None:
    registered = register(database, sweep())
    run(database, registered, 0, all_of())
    with begin_write(database) as connection:
        connection.execute(update(Trial).values(origin=Origin.CSV))
    log = tmp_path / "log.csv"
    log.write_text("model,num_params,seed,step,samples,score\nqwen2.5-0.5b,5e8,0,1,128,0.25\n")
    url = database.url.render_as_string(hide_password=False)
    arguments = ["import", "csv", str(log), "--set", "benchmark=math", "--set", "problems=4", "--db", url]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    plan = planned(database, sweep())
    assert (plan.totals.new, utilisation(plan)[0]) == (2, "assumed")
    assert plan.kinds[0].plan.lengths.source == "assumed"


def test_the_json_says_what_was_measured(database: Engine) -> None:
    run(database, register(database, sweep()), 0, all_of(), share=0.2, end=AttemptState.SUCCEEDED)
    url = database.url.render_as_string(hide_password=False)
    shown = CliRunner().invoke(app, ["plan", str(SWEEPS / "single_gpu.yaml"), "--db", url, "--json"])
    first, _, third, _ = json.loads(shown.stdout)["trials"]
    assert (first["cached"], first["lengths"]["source"]) == ("done", "measured")
    assert first["on_gpus"]["utilisation"]["source"] == "measured"
    assert first["on_gpus"]["utilisation"]["num_trials"] == 1
    assert (third["cached"], third["on_gpus"]["utilisation"]["source"]) == ("new", "assumed")


def test_trials_that_are_to_share_a_gpu_are_held_against_what_trials_like_them_took_of_one(database: Engine) -> None:
    def cautions(sharing: int) -> list[str]:
        plan = planned(database, sweep("single_gpu", f"resources={{gpus: 1, trials_per_gpu: {sharing}}}"))
        return [warning for warning in plan.warnings if "trials like it have taken" in warning]

    registered = register(database, sweep())
    run(database, registered, 0, all_of(3), peak_memory=30_000_000_000)
    assert cautions(2) == []
    assert cautions(3) == ["trials like it have taken 30 GB of a H100-80GB, and 3 are to share one: 2 at most fit"]


def test_an_engine_takes_its_share_of_the_part_that_a_trial_has() -> None:
    (alone, *_), (shared, *_) = (
        sweep("single_gpu", f"resources={{gpus: 1, trials_per_gpu: {n}}}").trials for n in (1, 3)
    )
    assert alone.spec.execution.engine_memory_share == pytest.approx(0.3)
    assert shared.spec.execution.engine_memory_share == pytest.approx(0.1)
