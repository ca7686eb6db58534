"""The whole walk, for real: a YAML file, Ray Tune, TRL, the database, a fit and a plot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TINY_SWEEP
from tests.e2e.command_line import CommandLine


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandLine, str]:
    """A folder in which a sweep of two sizes has been run, and what the command printed."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / "tiny.yaml").write_text(TINY_SWEEP)
    rlsweep = CommandLine(folder)
    done = rlsweep.run("submit", "tiny.yaml", "--set", "seed=[1]")
    assert done.returncode == 0, done.stdout + done.stderr
    return rlsweep, done.stdout


def test_every_trial_trains_to_its_last_budget(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    trials = rlsweep.json("status")
    assert [(trial["model"], trial["state"], trial["step"], trial["share"]) for trial in trials] == [
        ("small", "succeeded", 8, 1.0),
        ("large", "succeeded", 8, 1.0),
    ]


def test_every_step_is_recorded_with_what_it_cost(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    rows = rlsweep.rows(
        "SELECT step, samples, prompt_tokens, cumulative_samples, generation_flops + train_flops, cumulative_flops,"
        " reward, loss, entropy, kl, step_seconds FROM live_step WHERE trial_id = 1 ORDER BY step"
    )
    assert [row[0] for row in rows] == list(range(1, 9))
    assert [row[3] for row in rows] == [8 * step for step in range(1, 9)]
    assert {(row[1], row[2]) for row in rows} == {(8, 8 * 4 * 9)}
    assert rows[-1][5] == pytest.approx(sum(row[4] for row in rows))
    assert all(0 <= row[6] <= 1 and row[7] is not None and row[8] > 0 for row in rows)
    assert {row[9] for row in rows} == {None}  # no reference model, so no KL: NULL, not 0
    assert all(row[10] > 0 for row in rows)


def test_the_policy_is_scored_before_during_and_after(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    curve = rlsweep.json("show", "1")["curve"]
    assert [row["step"] for row in curve] == list(range(9))
    assert {row["protocol"] for row in curve} == {"answer-probability-v1"}
    assert all(0 < row["score"] < 1 and row["standard_error"] > 0 and row["problems"] == 60 for row in curve)


def test_milestones_are_kept_as_checkpoints(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    rows = rlsweep.rows("SELECT step, uri, is_milestone FROM live_checkpoint WHERE trial_id = 1 ORDER BY step")
    assert [(row[0], bool(row[2])) for row in rows] == [(4, True), (8, True)]
    for _, uri, _ in rows:
        names = {path.name for path in Path(uri).iterdir()}
        assert {"model.safetensors", "optimizer.pt", "manifest.json", "progress.json"} <= names


def test_the_attempt_says_what_it_ran_on_and_with(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    (attempt,) = rlsweep.json("show", "2")["attempts"]
    assert attempt["engine"] == "transformers"
    assert attempt["resumed_from_step"] == 0
    for column in ("torch_version", "trl_version", "ray_version", "rlsweep_version", "num_cpus", "memory_bytes"):
        assert attempt[column], column
    assert Path(attempt["log_uri"]).is_file()


def test_the_model_that_was_made_is_recorded(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    rows = rlsweep.rows("SELECT name, num_params, total_params, warm_up_score FROM model ORDER BY num_params")
    assert [row[0] for row in rows] == ["small", "large"]
    assert all(row[2] > row[1] > 0 and row[3] >= 0.21 for row in rows)


def test_submit_ends_with_the_fit_its_caveats_and_the_next_command(walked: tuple[CommandLine, str]) -> None:
    _, output = walked
    assert "2 succeeded in" in output
    assert "Too small to mean anything." in output
    assert "Next: rlsweep plot tiny" in output


def test_a_second_submission_finds_nothing_to_do(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    done = rlsweep.run("submit", "tiny.yaml", "--set", "seed=[1]")
    assert done.returncode == 0
    assert "2 trials, 2 unchanged; 0 to run; nothing is left to do." in done.stdout
    assert rlsweep.rows("SELECT COUNT(*) FROM attempt") == [(2,)]


def test_a_fit_is_printed_and_kept_with_its_rows(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    fit = rlsweep.json("fit", "--scope", "inter-model")
    kept = rlsweep.rows(f"SELECT num_points, num_sizes, num_runs, x FROM fit WHERE id = {fit['fit_id']}")
    assert kept == [(16, 2, 2, "samples")]
    assert rlsweep.json("fit")["fit_id"] == fit["fit_id"], "the same fit of the same rows is kept once"
    roles = dict(
        rlsweep.rows(f"SELECT role, COUNT(*) FROM fit_point WHERE fit_id = {fit['fit_id']} GROUP BY role")  # type: ignore[arg-type]
    )
    assert roles == {"train": 16, "baseline": 2}


def test_the_plot_is_drawn_as_png_and_svg(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    done = rlsweep.run("plot", "--output", "pictures/tiny.png")
    assert done.returncode == 0, done.stderr
    assert (rlsweep.folder / "pictures" / "tiny.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (rlsweep.folder / "pictures" / "tiny.svg").read_text()


def test_a_larger_budget_continues_the_trajectory(walked: tuple[CommandLine, str]) -> None:
    rlsweep, _ = walked
    before = rlsweep.curve()
    larger = ("--set", "seed=[1]", "--set", "model=[small]", "--set", "budgets.at=[4, 8, 10]")
    done = rlsweep.run("submit", "tiny.yaml", *larger)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(before) <= set(rlsweep.curve())
    assert rlsweep.rows("SELECT trial_id, resumed_from_step FROM attempt WHERE number = 2") == [(1, 8)]
    assert rlsweep.rows("SELECT MAX(step) FROM live_step WHERE trial_id = 1") == [(10,)]
