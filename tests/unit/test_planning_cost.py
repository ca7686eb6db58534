"""FLOPs, hours and storage: against the design's tables, against recorded trials, and what must hold for all."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import SpecError
from orchestrator.planning.architectures import Architecture, architecture_of, known_architecture
from orchestrator.planning.cost import (
    BudgetUnit,
    ExpectedLengths,
    assumed_lengths,
    evaluation_flops,
    evaluation_steps,
    step_cost,
    steps_to_reach,
    trajectory_cost,
)
from orchestrator.planning.hours import (
    Job,
    assumed_utilisation,
    gpu_hours,
    measured_utilisation,
    wall_time,
)
from orchestrator.planning.memory import Training
from orchestrator.planning.placing_case import BatchRecipe
from orchestrator.planning.storage import checkpoint_bytes, checkpoint_storage
from workers.flops import Lora
from workers.gpus import gpu_type
from workers.milestones import is_due
from workers.spec import Evaluation, MadeModel, Model, WarmUp

PAPER = BatchRecipe(512, 8, 4, max_prompt_tokens=2048, max_completion_tokens=4096)
LENGTHS = ExpectedLengths(150, 600, "given")
H100 = gpu_type("H100-80GB")
SAMPLED = Evaluation(method="sampled", samples=1, at="every_step")

# PFLOP of a step (generation, old log-probs, reference, training, total), of scoring 2,953 problems, H100-hours of
# 105 steps scored at every one of them, and the utilisation those hours assume.
DESIGN = {
    "0.5B": ((3.0, 3.0, 3.0, 8.9, 17.8), 2.1, 11, 0.05),
    "1.5B": ((9.4, 9.4, 9.4, 28.2, 56.4), 6.8, 24, 0.08),
    "3B": ((18.9, 18.9, 18.9, 56.7, 113.5), 13.6, 37, 0.10),
    "7B": ((43.2, 43.2, 43.2, 129.7, 259.3), 31.1, 72, 0.12),
    "14B": ((86, 86, 86, 258, 517), 62, 122, 0.14),
    "32B": ((197, 197, 197, 591, 1182), 142, 260, 0.15),
    "72B": ((440, 441, 441, 1322, 2643), 317, 583, 0.15),
}


def qwen(size: str) -> Architecture:
    architecture = known_architecture(f"Qwen/Qwen2.5-{size}")
    assert architecture is not None
    return architecture


def hours_of_the_paper(size: str) -> float:
    architecture = qwen(size)
    training = 105 * step_cost(architecture.shape, PAPER, LENGTHS, has_reference=True).flops.total
    scoring = 106 * evaluation_flops(architecture.shape, SAMPLED, problems=2953, lengths=LENGTHS)
    return gpu_hours(training + scoring, H100, assumed_utilisation(architecture.active_params)).central


@pytest.mark.parametrize("size", DESIGN)
def test_a_step_of_the_papers_recipe_costs_what_the_design_says(size: str) -> None:
    flops = step_cost(qwen(size).shape, PAPER, LENGTHS, has_reference=True).flops
    found = [flops.generation, flops.old_logprob, flops.reference, flops.train, flops.total]
    for petaflops, expected in zip(found, DESIGN[size][0], strict=True):
        rounding = 0.051 if isinstance(expected, float) else 0.51
        assert petaflops / 1e15 == pytest.approx(expected, abs=rounding)
    scoring = evaluation_flops(qwen(size).shape, SAMPLED, problems=2953, lengths=LENGTHS)
    assert scoring / 1e15 == pytest.approx(DESIGN[size][1], rel=0.025)


@pytest.mark.parametrize("size", DESIGN)
def test_a_step_costs_what_the_formulas_say_to_the_last_digit(size: str) -> None:
    shape, p, c, completions = qwen(size).shape, 150, 600, 4096
    h, layers, f, d, vocabulary = shape.hidden_size, shape.num_layers, shape.ffn_size, shape.head_dim, shape.vocab_size
    q, kv = shape.num_attention_heads, shape.num_key_value_heads
    weights = layers * (2 * h * q * d + 2 * h * kv * d + 3 * h * f)
    width, head = layers * q * d, h * vocabulary
    generate = 2 * weights * (p + c - 1) + 2 * head * c + 2 * width * (p + c - 1) * (p + c)
    forward = 2 * weights * (p + c) + 2 * head * c + 2 * width * (p + c) * (p + c + 1)
    flops = step_cost(shape, PAPER, LENGTHS, has_reference=True).flops
    assert flops.total == pytest.approx(completions * (generate + forward + forward + 3 * forward), rel=1e-12)


@pytest.mark.parametrize("size", DESIGN)
def test_a_run_of_the_paper_takes_the_hours_of_the_design(size: str) -> None:
    assert assumed_utilisation(qwen(size).active_params).share.central == pytest.approx(DESIGN[size][3], abs=1e-4)
    assert hours_of_the_paper(size) == pytest.approx(DESIGN[size][2], abs=0.8)


def test_all_sizes_together_take_the_hours_of_the_design() -> None:
    assert sum(hours_of_the_paper(size) for size in DESIGN) == pytest.approx(1109, abs=0.5)


MADE = MadeModel(
    hidden_size=192, intermediate_size=576, num_attention_heads=6, num_key_value_heads=3,
    warm_up=WarmUp(learning_rate=0.00067),
)  # fmt: skip


def test_a_trial_that_was_run_cost_what_was_planned() -> None:
    # Recorded by a worker: one step of 64 x 8 completions, 9 prompt and 4 completion tokens each, no reference.
    shape = architecture_of(Model(name="qwen2-886k", made=MADE)).shape
    lengths = ExpectedLengths(9, 4, "measured")
    step = step_cost(shape, BatchRecipe(64, 8, 1, 16, 4), lengths, has_reference=False)
    assert (step.flops.generation, step.flops.old_logprob, step.flops.train) == (10_977_804_288, 0, 35_681_992_704)
    assert (step.tokens, step.samples) == (6656, 64)
    scoring = evaluation_flops(shape, Evaluation(), problems=600, lengths=lengths)
    assert scoring == 13_938_278_400


def test_a_checkpoint_that_was_written_had_the_bytes_that_were_planned() -> None:
    # Recorded by a worker: weights, Adam's moments, tokenizer, scheduler, random state, log, manifest.
    assert checkpoint_bytes(architecture_of(Model(name="qwen2-886k", made=MADE))) == pytest.approx(10_824_673, rel=1e-3)


def test_only_adapters_are_saved_with_lora() -> None:
    full, adapted = checkpoint_bytes(qwen("7B")), checkpoint_bytes(qwen("7B"), lora=Lora(rank=16))
    assert full / 1e9 == pytest.approx(12 * 7.6156, abs=0.1)
    assert adapted < full / 100


def test_lengths_that_nobody_knows_are_assumed_and_say_so() -> None:
    assert assumed_lengths(PAPER) == ExpectedLengths(150, 600, "assumed")
    assert assumed_lengths(BatchRecipe(64, 8, 1, 16, 4)) == ExpectedLengths(16, 4, "assumed")


def test_old_log_probabilities_cost_nothing_where_a_block_is_one_update() -> None:
    one_update = BatchRecipe(512, 8, 1, 2048, 4096)
    assert step_cost(qwen("0.5B").shape, one_update, LENGTHS, has_reference=True).flops.old_logprob == 0


lengths_of = st.builds(ExpectedLengths, st.integers(1, 2048), st.integers(1, 4096), st.just("given"))
units: st.SearchStrategy[BudgetUnit] = st.sampled_from(["steps", "samples", "tokens", "flops", "gpu_hours"])
ascending = st.lists(st.floats(0.5, 1e6), min_size=1, max_size=5, unique=True).map(lambda at: tuple(sorted(at)))


@settings(deadline=None)
@given(size=st.sampled_from(list(DESIGN)), lengths=lengths_of, more=st.integers(1, 500))
def test_flops_grow_with_lengths_updates_and_a_reference(size: str, lengths: ExpectedLengths, more: int) -> None:
    shape = qwen(size).shape
    base = step_cost(shape, PAPER, lengths, has_reference=False).flops.total
    longer = ExpectedLengths(lengths.prompt_tokens, lengths.completion_tokens + more, "given")
    assert step_cost(shape, PAPER, longer, has_reference=False).flops.total > base
    assert step_cost(shape, PAPER, lengths, has_reference=True).flops.total > base
    assert step_cost(shape, PAPER, lengths, has_reference=False, num_epochs=2).flops.total > base


@settings(deadline=None)
@given(unit=units, factors=ascending)
def test_budgets_on_one_trajectory_cost_what_the_last_one_costs(unit: BudgetUnit, factors: tuple[float, ...]) -> None:
    step = step_cost(qwen("1.5B").shape, PAPER, LENGTHS, has_reference=True)
    each = step.spent(unit, gpu_hours=0.25)
    budgets = tuple(sorted({factor * each for factor in factors}))
    shared = trajectory_cost(step, unit, budgets, step_gpu_hours=0.25)
    apart = [trajectory_cost(step, unit, (budget,), step_gpu_hours=0.25).last for budget in budgets]
    assert shared.last == apart[-1]
    assert shared.milestones == tuple(apart)
    assert shared.saved_flops == pytest.approx(sum(run.flops.total for run in apart) - shared.last.flops.total)
    assert shared.last.flops.total == pytest.approx(shared.last.steps * step.flops.total)


@settings(deadline=None)
@given(each=st.floats(1e-3, 1e22), number=st.floats(1e-6, 1e9))
def test_a_budget_is_reached_by_its_step_and_by_no_earlier_one(each: float, number: float) -> None:
    budget = number * each
    steps = steps_to_reach(budget, each)
    assert steps >= 1
    assert steps * each >= budget * (1 - 1e-12)
    assert steps == 1 or (steps - 1) * each < budget


@settings(deadline=None)
@given(steps=st.integers(1, 10**6), each=st.floats(1e-3, 1e22))
def test_a_budget_of_whole_steps_takes_exactly_those(steps: int, each: float) -> None:
    assert steps_to_reach(steps * each, each) == steps


@settings(deadline=None)
@given(
    at=st.sampled_from(["every_step", "log_spaced", "budgets"]),
    milestones=st.lists(st.integers(1, 400), min_size=1, max_size=4, unique=True).map(sorted),
    points=st.integers(1, 20),
)
def test_evaluations_are_counted_as_the_worker_schedules_them(at: str, milestones: list[int], points: int) -> None:
    evaluation = Evaluation.model_validate({"at": at, "points_per_decade": points})
    last = milestones[-1]
    due = [is_due(evaluation, step=s, at_milestone=s in milestones, is_last=s == last) for s in range(last + 1)]
    assert evaluation_steps(evaluation, milestones) == sum(due)


@settings(deadline=None)
@given(
    milestones=st.lists(st.integers(1, 200), min_size=1, max_size=4, unique=True).map(sorted),
    every=st.integers(1, 60),
    keep=st.integers(1, 5),
)
def test_milestones_and_the_newest_checkpoints_are_kept(milestones: list[int], every: int, keep: int) -> None:
    storage = checkpoint_storage(qwen("0.5B"), milestones, every_steps=every, keep_newest=keep)
    written = sorted({*range(every, milestones[-1] + 1, every), *milestones})
    assert storage.kept == len({*written[-keep:], *milestones})
    assert storage.kept <= storage.peak <= min(keep + len(milestones) + 1, len(written))


def test_a_checkpoint_is_written_before_an_old_one_is_deleted() -> None:
    storage = checkpoint_storage(qwen("7B"), [100], every_steps=10, keep_newest=2)
    assert (storage.kept, storage.peak) == (2, 3)
    assert storage.peak_bytes / 1e9 == pytest.approx(3 * 12 * 7.6156, abs=0.1)


@settings(deadline=None)
@given(params=st.floats(1e6, 1e12), larger=st.floats(1, 100))
def test_assumed_utilisation_grows_with_size_within_the_table(params: float, larger: float) -> None:
    small, large = assumed_utilisation(params), assumed_utilisation(params * larger)
    assert 0.05 <= small.share.central <= large.share.central <= 0.15
    assert small.share.low == small.share.central / 2
    assert small.source == "assumed"


def test_measured_utilisation_takes_the_place_of_the_assumed_one() -> None:
    spread = measured_utilisation(mean=0.2, standard_deviation=0.02, num_trials=5)
    assert (spread.share.low, spread.share.central, spread.share.high) == pytest.approx((0.16, 0.2, 0.24))
    single = measured_utilisation(mean=0.2, standard_deviation=None, num_trials=1)
    assert (single.share.low, single.share.high) == pytest.approx((0.16, 0.25))
    wild = measured_utilisation(mean=0.2, standard_deviation=0.5, num_trials=2)
    assert wild.share.low == pytest.approx(0.05)
    hours = gpu_hours(989.4e12 * 3600, H100, spread)
    assert (hours.low, hours.central, hours.high) == pytest.approx((1 / 0.24, 5, 1 / 0.16))


jobs_of = st.lists(st.builds(Job, st.floats(0.1, 100), st.integers(1, 8)), min_size=1, max_size=30)


@settings(deadline=None)
@given(jobs=jobs_of, concurrent=st.integers(1, 8), places=st.integers(8, 64))
def test_wall_time_lies_between_the_bounds_of_list_scheduling(jobs: list[Job], concurrent: int, places: int) -> None:
    found = wall_time(jobs, concurrent=concurrent, places=places)
    longest, total = max(job.duration for job in jobs), sum(job.duration for job in jobs)
    area = sum(job.duration * job.places for job in jobs)
    assert max(longest, total / concurrent, area / places) <= found * (1 + 1e-9)
    assert found <= total * (1 + 1e-9)


@settings(deadline=None)
@given(jobs=jobs_of)
def test_wall_time_without_limits_is_the_longest_trial_and_one_at_a_time_the_sum(jobs: list[Job]) -> None:
    assert wall_time(jobs, concurrent=None, places=None) == max(job.duration for job in jobs)
    assert wall_time(jobs, concurrent=1, places=None) == pytest.approx(sum(job.duration for job in jobs))


def test_a_small_trial_starts_beside_a_large_one_that_has_to_wait() -> None:
    jobs = [Job(4, places=6), Job(4, places=8), Job(3, places=2)]
    assert wall_time(jobs, concurrent=None, places=8) == 8


def test_no_trials_take_no_time() -> None:
    assert wall_time([], concurrent=2, places=8) == 0


def refusal(call: object) -> str:
    with pytest.raises(SpecError) as caught:
        call()  # type: ignore[operator]
    return str(caught.value)


STEP = step_cost(qwen("0.5B").shape, PAPER, LENGTHS, has_reference=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ExpectedLengths(150, 0, "given"),
            "expected lengths must be at least one token, not 150 for prompts and 0 for completions.",
        ),
        (
            lambda: trajectory_cost(STEP, "gpu_hours", (5.0,)),
            "a budget in gpu_hours needs a trial on GPUs; use steps, samples, tokens or flops.",
        ),
        (
            lambda: trajectory_cost(STEP, "steps", (5.0, 2.0)),
            "budgets must be positive and ascend without repeats, not [5.0, 2.0].",
        ),
        (
            lambda: measured_utilisation(mean=1.2, standard_deviation=None, num_trials=1),
            "a measured utilisation of 1.2 is not between 0 and 1; check the GPU's peak FLOP/s.",
        ),
        (
            lambda: wall_time([Job(1, places=16)], concurrent=None, places=8),
            "A trial needs 16 GPUs, and there are 8.",
        ),
        (
            lambda: Training(reference_bytes=2, lora=Lora(rank=8)),
            "with LoRA the reference is the model without its adapters; it takes no bytes of its own.",
        ),
        (lambda: Training(reference_bytes=3), "a reference has 0, 2 or 4 bytes a parameter, not 3."),
    ],
)
def test_what_cannot_mean_anything_is_refused(call: object, message: str) -> None:
    assert refusal(call) == message


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from orchestrator.planning import architectures, cost, hours, memory, placement, storage\n"
        "from workers.spec import MadeModel, Model, WarmUp\n"
        "made = MadeModel(hidden_size=8, intermediate_size=8, num_attention_heads=2, num_key_value_heads=1,"
        " warm_up=WarmUp(learning_rate=0.1))\n"
        "architectures.architecture_of(Model(name='made', made=made))\n"
        "architectures.architecture_of(Model(name='known', source='Qwen/Qwen2.5-7B'))\n"
        "print(*(m for m in ('torch', 'ray', 'trl', 'transformers', 'numpy', 'scipy', 'pandas', 'huggingface_hub')"
        " if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
