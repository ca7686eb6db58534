import math
import re
import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest

from db.errors import SpecError
from workers.spec import Data
from workers.tasks import Problem, load_task
from workers.tasks.affine_lookup import NUM_NAMES, AffineLookup


@pytest.fixture(scope="module")
def task() -> AffineLookup:
    return AffineLookup(7)


def right_answer(task: AffineLookup, problem: Problem) -> str:
    slope, offset = task.rules[task.names.index(problem.prompt[:2])]
    return str((slope * int(problem.prompt[3:6]) + offset) % 5)


def warm_up_problems(task: AffineLookup, count: int, label_accuracy: float) -> list[Problem]:
    batches = task.warm_up_batches(100, label_accuracy=label_accuracy, seed=3)
    return [problem for batch in islice(batches, count // 100) for problem in batch]


def test_every_problem_states_a_function_value_modulo_five(task: AffineLookup) -> None:
    problems = task.training_problems(500) + task.heldout_problems(200) + task.validation_problems(200)
    for problem in problems:
        assert re.fullmatch(r"[a-z]{2}\(\d{3}\)", problem.prompt)
        assert problem.answer == right_answer(task, problem)
    assert {problem.answer for problem in problems} == set("01234")


def test_names_are_distinct_and_slopes_never_vanish(task: AffineLookup) -> None:
    assert len(set(task.names)) == NUM_NAMES
    assert {slope for slope, _ in task.rules} == {1, 2, 3, 4}
    assert {offset for _, offset in task.rules} == {0, 1, 2, 3, 4}


def test_a_longer_training_stream_begins_with_the_shorter_one(task: AffineLookup) -> None:
    assert task.training_problems(9000)[:100] == task.training_problems(100)
    assert AffineLookup(7).training_problems(9000) == task.training_problems(9000)


def test_training_and_warm_up_never_meet_heldout_or_validation_rows(task: AffineLookup) -> None:
    seen = {problem.prompt for problem in task.training_problems(20_000)}
    seen |= {problem.prompt for problem in warm_up_problems(task, 20_000, 0.5)}
    heldout = {problem.prompt for problem in task.heldout_problems(3000)}
    validation = {problem.prompt for problem in task.validation_problems(3000)}
    assert len(heldout) == len(validation) == 3000
    assert not seen & heldout
    assert not seen & validation
    assert not heldout & validation


def test_training_names_follow_zipf_within_sampling_noise(task: AffineLookup) -> None:
    count = 40_000
    names = Counter(problem.prompt[:2] for problem in task.training_problems(count))
    harmonic = sum(1 / rank for rank in range(1, NUM_NAMES + 1))
    for rank in (1, 2, 4, 8, 16, 32, 64):
        expected = count / rank / harmonic
        # The split keeps 75% +- 1.4% of each name's thousand rows.
        tolerance = 4 * math.hypot(math.sqrt(expected), 0.02 * expected)
        assert abs(names[task.names[rank - 1]] - expected) < tolerance


def test_heldout_problems_are_allotted_to_names_by_frequency(task: AffineLookup) -> None:
    names = Counter(problem.prompt[:2] for problem in task.heldout_problems(400))
    harmonic = sum(1 / rank for rank in range(1, NUM_NAMES + 1))
    for rank, name in enumerate(task.names, start=1):
        assert abs(names[name] - 400 / rank / harmonic) < 1


def test_a_split_can_be_used_up_but_not_exceeded(task: AffineLookup) -> None:
    with pytest.raises(SpecError, match=r"has \d+: ask") as refusal:
        task.heldout_problems(64_000)
    num_rows = int(re.findall(r"has (\d+)", str(refusal.value))[0])
    assert 0.14 < num_rows / 64_000 < 0.16
    assert len(set(task.heldout_problems(num_rows))) == num_rows
    with pytest.raises(SpecError):
        task.heldout_problems(num_rows + 1)


def test_warm_up_labels_are_right_as_often_as_asked(task: AffineLookup) -> None:
    problems = warm_up_problems(task, 10_000, 0.5)
    right = sum(problem.answer == right_answer(task, problem) for problem in problems) / len(problems)
    assert right == pytest.approx(0.5 + 0.5 / 5, abs=0.02)
    assert all(problem.answer == right_answer(task, problem) for problem in warm_up_problems(task, 1000, 1.0))


def test_warm_up_batches_depend_on_their_seed_alone(task: AffineLookup) -> None:
    first, again, other = (next(task.warm_up_batches(64, label_accuracy=0.5, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_content_hash_names_the_data() -> None:
    assert AffineLookup(0).sha256 == AffineLookup(0).sha256
    assert AffineLookup(0).sha256 != AffineLookup(1).sha256
    # Pinned: a change means that old results and new ones were measured on different problems.
    assert AffineLookup(0).sha256.startswith("cc5eb5b96f6ee4f4")


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        (r"\boxed{2}", 1.0),
        (r"so \boxed{3}, no: \boxed{2}.", 1.0),
        (r"\boxed{2} or \boxed{3}", 0.0),
        (r"\boxed{2} or \boxed{3", 0.0),
        (r"\boxed{2", 0.0),
        (r"\boxed{22}", 0.0),
        (r"\boxed{ 2}", 0.0),
        (r"\boxed{}", 0.0),
        ("2", 0.0),
        ("2}", 0.0),
        ("", 0.0),
    ],
)
def test_the_last_box_must_be_closed_and_hold_the_answer(task: AffineLookup, completion: str, reward: float) -> None:
    assert task.reward(completion, "2") == reward


def test_the_reference_completion_earns_the_reward(task: AffineLookup) -> None:
    for problem in task.heldout_problems(50):
        assert task.reward(task.reference_completion(problem), problem.answer) == 1.0


def test_load_task_draws_the_task_with_the_seed_of_the_data() -> None:
    assert load_task(Data(task="affine-lookup", seed=7)).sha256 == AffineLookup(7).sha256
    assert load_task(Data(task="affine-lookup", seed=2**32 - 1)).training_problems(1)


def test_the_task_needs_no_torch() -> None:
    program = (
        "import sys; from workers.tasks.affine_lookup import AffineLookup; AffineLookup(0).sha256;"
        "assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
