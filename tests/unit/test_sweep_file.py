"""The sweep file: what is refused, where, and in which words; and what `--set` may change."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine

from db.reader import Reader
from orchestrator.registration import register
from orchestrator.screens.submission import announce
from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.problems import InvalidSweep

SHIPPED = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


def problems(file: Path, *overrides: str) -> list[str]:
    """The problem lines of a sweep file that must have some, without the folder's name."""
    with pytest.raises(InvalidSweep) as caught:
        load_sweep(file, overrides)
    return [line.strip().replace(f"{file.parent}/", "") for line in str(caught.value).splitlines()[1:]]


def changed(file: Path, old: str, new: str) -> Path:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return file


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_every_shipped_sweep_is_valid(file: Path) -> None:
    assert load_sweep(file).trials


def test_there_are_shipped_sweeps() -> None:
    assert "quickstart.yaml" in {file.name for file in SHIPPED}


def test_an_unknown_key_is_placed_and_the_nearest_known_one_named(tiny_sweep: Path) -> None:
    changed(tiny_sweep, "learning_rate: 0.001", "learning_rat: 0.001")
    assert problems(tiny_sweep) == [
        "tiny.yaml:20:15: base.optimizer.learning_rat: is not known here; did you mean `learning_rate`?",
    ]


def test_every_problem_is_reported_at_once(tiny_sweep: Path) -> None:
    changed(tiny_sweep, "budgets: {unit: steps", "budget: {unit: steps")
    changed(tiny_sweep, "keep: 1", "keep: 0")
    changed(tiny_sweep, "scope: inter-model", "scope: inter-modal")
    found = "\n".join(problems(tiny_sweep))
    assert "budgets: is missing" not in found  # it is there, with a mistake in its name
    assert "did you mean `budgets`?" in found
    assert "checkpoints.keep: found 0, expected more than 0" in found
    assert "fit.scope: found 'inter-modal', expected 'inter-model'" in found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("group_size: 4", "group_size: 1", "base.group_size: found 1, expected at least 2"),
        ("group_size: 4", "group_size: '4'", "base.group_size: found '4', expected a whole number"),
        ("learning_rate: 0.001", "learning_rate: -1", "found -1, expected more than 0"),
        ("task: affine-lookup", "task: chess", "base.data.task: found 'chess', expected 'affine-lookup'"),
        ("engine: transformers", "engine: tgi", "found 'tgi', expected 'auto', 'transformers' or 'vllm'"),
        ("at: [4, 8]", "at: [8, 4]", "budgets must ascend without repeats, and 4 comes after 8"),
        ("at: [4, 8]", "at: []", "budgets.at: found an empty list, expected at least 1"),
        ("num_attention_heads: 1", "num_attention_heads: 3", "hidden_size 32 is not a multiple"),
        ("at: every_step}", "at: every_step, samples: 4}", "meaningless without it"),
        ("name: tiny", "name: ../tiny", "name: found '../tiny'"),
        ("seed: [1, 2]", "seed: []", "axes.grid.seed: found an empty list, expected at least 1"),
        ("memory_gb: 1", "memory_gb: 1, micro_batch: 5", "does not divide the 32 completions"),
    ],
)  # fmt: skip
def test_impossible_values_are_refused_with_what_was_expected(
    tiny_sweep: Path, old: str, new: str, message: str
) -> None:
    assert message in "\n".join(problems(changed(tiny_sweep, old, new)))


def test_a_wrong_axis_value_is_placed_at_the_axis(tiny_sweep: Path) -> None:
    changed(tiny_sweep, "seed: [1, 2]", "seed: [1, two]")
    assert problems(tiny_sweep) == ["tiny.yaml:25:15: axes.grid.seed[1]: found 'two', expected a whole number"]


def test_an_unknown_model_is_placed_and_the_known_ones_named(tiny_sweep: Path) -> None:
    changed(tiny_sweep, "model: [small, large]", "model: [small, huge]")
    (problem,) = problems(tiny_sweep)
    assert problem.startswith("tiny.yaml:24:20: axes.grid.model[1]: found 'huge', expected a name from `models`")
    assert problem.endswith("defined here: small, large")


def test_an_axis_that_is_no_field_is_refused(tiny_sweep: Path) -> None:
    changed(tiny_sweep, "seed: [1, 2]", "sede: [1, 2]")
    assert "tiny.yaml:25:5: axes.grid.sede: is not known here; did you mean `seed`?" in problems(tiny_sweep)


def test_set_changes_an_axis_by_its_short_name(tiny_sweep: Path) -> None:
    trials = load_sweep(tiny_sweep, ["seed=[7]", "optimizer.learning_rate=0.5", "budgets.at=[2]"]).trials
    assert [trial.axes for trial in trials] == [{"model": "small", "seed": 7}, {"model": "large", "seed": 7}]
    assert {trial.spec.optimizer.learning_rate for trial in trials} == {0.5}
    assert {trial.spec.budget.at for trial in trials} == {(2.0,)}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "write it as key=value"),
        ("seed=[1", "is not valid YAML"),
        ("seed=['x']", "--set seed=['x']: axes.grid.seed[0]: found 'x', expected a whole number"),
        ("budgets.unit.deep=1", "budgets.unit is not a mapping"),
        ("evaluations.samples=1", "evaluations is a list, so nothing in it can be set; set all of evaluations"),
        ("nonsense=1", "--set nonsense=1: `nonsense` is not known here; known: name, question"),
        ("budget.at=[1]", "--set budget.at=[1]: `budget.at` is not known here; did you mean `budgets`?"),
        ("learning_rate=1", "`learning_rate` is not known here; did you mean optimizer.learning_rate?"),
        ("optimizer.learning_rat=1", "base.optimizer.learning_rat: is not known here; did you mean `learning_rate`?"),
        ("base.grop_size=1", "`base.grop_size` is not known here; did you mean `group_size`?"),
        ("resources.gpus.deep=1", "resources.gpus: found a mapping, expected a whole number"),
        ("lora.rnk=1", "--set lora.rnk=1: base.lora.rnk: is not known here; did you mean `rank`?"),
        ("seed=[010]", "--set seed=[010]: `010` begins with a 0"),
        (
            "base.seed=77",
            "base.seed: has no effect, since an axis gives it to every trial; change `axes.grid.seed`",
        ),
        ("question=hello\nname: z", "--set question=hello\\nname: z: goes on after its value"),
        ("question='\udcff'", "--set question='\\udcff': is not valid YAML: holds the character U+DCFF"),
        ('question="\\0"', "holds the character U+0000, which text may not have"),
        (f"group_size={'9' * 5000}", f"--set group_size={'9' * 86}...: is a number of 5000 digits"),
        ("base=1", "--set base=1: base: found 1, expected a mapping"),
        ("base={}", "--set base={}: base.prompts_per_step: is missing"),
        ("models.small.dtyp=float32", "models.small.dtyp: is not known here; did you mean `dtype`?"),
        ("limits.gpu_hours=off", "--set limits.gpu_hours=off: `off` is false to some YAML readers"),
    ],
)
def test_a_wrong_override_is_named(tiny_sweep: Path, override: str, message: str) -> None:
    assert message in "\n".join(problems(tiny_sweep, override))


@pytest.mark.parametrize(
    ("axis", "override", "line"),
    [
        ("tau: [1, 2]", "base.data.tau=5", "base.data.tau: has no effect"),
        ("tau: [1, 2]", "data.tau=5", "axes.grid.tau: found 5, expected a list; write [5]"),
        (
            "optimizer: [{weight_decay: 0.1}]",
            "optimizer.weight_decay=0.3",
            "base.optimizer.weight_decay: has no effect",
        ),
        (
            "optimizer.weight_decay: [0.1]",
            "optimizer={weight_decay: 1, learning_rate: 1}",
            "weight_decay: has no effect",
        ),
        ("lora: [null]", "lora.rank=8", "base.lora.rank: has no effect"),
        ("lora.rank: [8]", "base.lora=null", "base.lora: has no effect"),
    ],
)
def test_an_override_that_every_trial_hides_is_refused(tiny_sweep: Path, axis: str, override: str, line: str) -> None:
    changed(tiny_sweep, "    seed: [1, 2]", f"    {axis}")
    assert f"--set {override}: " in "\n".join(found := problems(tiny_sweep, override))
    assert line in "\n".join(found)


def test_an_override_that_some_trials_show_has_its_effect(tiny_sweep: Path) -> None:
    changed(tiny_sweep, "    seed: [1, 2]", "    optimizer: [{weight_decay: 0.1}, {max_grad_norm: 2.0}]")
    trials = load_sweep(tiny_sweep, ["optimizer.weight_decay=0.3", "model=[small]"]).trials
    assert [trial.spec.optimizer.weight_decay for trial in trials] == [0.1, 0.3]


def test_an_override_reaches_names_that_hold_dots(tiny_sweep: Path) -> None:
    tiny_sweep.write_text(tiny_sweep.read_text().replace("small", "qwen2.5-7b"))
    overrides = [
        "models.qwen2.5-7b.dtype=bfloat16", "models.new.2.made={<<: &x {hidden_size: 32, intermediate_size: 64, "
        "num_attention_heads: 1, num_key_value_heads: 1, warm_up: {learning_rate: 0.004}}}",
        "models.new.2.dtype=bfloat16", "model=[qwen2.5-7b, new.2]", "axes.grid.optimizer.learning_rate=[0.1, 0.2]",
        "seed=[1]",
    ]  # fmt: skip
    trials = [trial.spec for trial in load_sweep(tiny_sweep, overrides).trials]
    found = [(trial.model.name, trial.optimizer.learning_rate, trial.model.dtype) for trial in trials]
    assert found == [(name, rate, "bfloat16") for name in ("qwen2.5-7b", "new.2") for rate in (0.1, 0.2)]


def test_a_wrong_entry_of_models_makes_no_other_problem(tiny_sweep: Path) -> None:
    changed(tiny_sweep, "made: &made", "dtyp: float32\n    made: &made")
    assert problems(tiny_sweep) == ["tiny.yaml:7:5: models.small.dtyp: is not known here; did you mean `dtype`?"]


@pytest.mark.parametrize("model", ["~nobody-of-this-name/model", f"/{'m' * 5000}"])
def test_a_path_that_can_be_none_is_refused_in_one_sentence(tiny_sweep: Path, model: str) -> None:
    (problem,) = problems(tiny_sweep, f"model=[{model}]")
    assert "axes.grid.model[0]: found '" in problem
    assert problem.endswith("which cannot be the path of a folder")


def test_overrides_and_the_file_are_wrong_at_once(tiny_sweep: Path) -> None:
    changed(tiny_sweep, "keep: 1", "keep: 0")
    found = "\n".join(problems(tiny_sweep, "group_size=1", "seed"))
    for part in ("--set seed: write it as key=value", "--set group_size=1: base.group_size: found 1", "keep: found 0"):
        assert part in found


def test_a_file_whose_name_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / ("n" * 5000))
    assert problem.endswith("cannot be read: File name too long")


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.yaml") == ["none.yaml: there is no such file"]


FLOATS = {"1.5e9": 1.5e9, "1e18": 1e18, "1e-6": 1e-6, ".5": 0.5, "5.": 5.0, "+1": 1.0, "1E5": 1e5, "12": 12.0}


@pytest.mark.parametrize(("text", "value"), FLOATS.items())
@pytest.mark.parametrize("field", ["optimizer.learning_rate", "limits.flops"])
def test_numbers_are_read_as_yaml_1_2_has_them(tiny_sweep: Path, field: str, text: str, value: float) -> None:
    loaded = load_sweep(tiny_sweep, [f"{field}={text}"])
    found = loaded.sweep.limits.flops if field == "limits.flops" else loaded.trials[0].spec.optimizer.learning_rate
    assert (found, type(found)) == (value, float)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0x10", "is not a number to all YAML readers; write it in decimal digits"),
        ("0o7", "is not a number to all YAML readers; write it in decimal digits"),
        (".inf", "is not a finite number"),
        (".nan", "is not a finite number"),
        ("infinity", "found 'infinity', expected a"),
        ("nan", "found 'nan', expected a"),
        ("1e400", "found a number that is too large, expected a"),
    ],
)
@pytest.mark.parametrize("field", ["optimizer.learning_rate", "limits.flops", "group_size", "budgets.at", "seed"])
def test_what_is_no_number_to_everybody_is_none_in_any_field(
    tiny_sweep: Path, field: str, text: str, reason: str
) -> None:
    value = f"[{text}]" if field in ("budgets.at", "seed") else text
    (problem,) = problems(tiny_sweep, f"{field}={value}")
    assert reason in problem


@pytest.mark.parametrize(("text", "hint"), [("1e5", "; write 100000"), ("5.", "; write 5"), (".5", "")])
def test_a_whole_number_is_written_as_one(tiny_sweep: Path, text: str, hint: str) -> None:
    (problem,) = problems(tiny_sweep, f"group_size={text}")
    assert problem.endswith(f"expected a whole number{hint}")


def test_submit_says_that_results_of_what_is_no_longer_asked_for_are_kept(
    tiny_sweep: Path, sqlite_database: Engine
) -> None:
    said = StringIO()
    for override in ("seed=[1, 2]", "seed=[1]", "seed=[1, 2]"):
        registered = register(sqlite_database, load_sweep(tiny_sweep, [override]))
        sweep = Reader(sqlite_database).sweep("tiny")
        announce(Console(file=said, width=200), sweep, registered, [])
    lines = [line for line in said.getvalue().splitlines() if "to run" in line]
    assert [line.partition("; 0 to run")[0] for line in lines] == [
        "4 trials, 4 new",
        "2 trials, 2 unchanged, 2 no longer asked for (results are kept)",
        "4 trials, 2 new, 2 unchanged",
    ]
