"""`rlsweep fit`, from a file of runs through the database to the page, in every scope; and a kept fit made again."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from db.connection.engines import begin_write
from db.database import open_database, resolve_url
from db.errors import RlsweepError
from orchestrator.cli import app
from scaling.synthetic import Noise, law_rows, saturating_slopes

SIZES = (500_000_000, 1_500_000_000, 3_000_000_000, 7_000_000_000, 14_000_000_000, 32_000_000_000)
TRUTH = {"k_max": 0.15, "n0": 5e9}
COLUMNS = (
    "model", "num_params", "seed", "group_size", "tau", "learning_rate", "step", "samples", "tokens", "flops",
    "benchmark", "protocol", "problems", "score",
)  # fmt: skip


def written(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def curves(
    sizes: tuple[int, ...] = SIZES, *, steps: int = 41, rng_seed: int = 0, **changes: Any
) -> list[dict[str, Any]]:
    """Curves under a known law, with `changes` to every row."""
    slopes = saturating_slopes(sizes, **TRUTH)
    rows = law_rows(slopes, seeds=(1, 2), steps=range(steps), noise=Noise(0.01), rng_seed=rng_seed)
    return [{**row, **changes} for row in rows]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RLSWEEP_DB", raising=False)
    return tmp_path


def rlsweep(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120"})
    if isinstance(result.exception, RlsweepError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


def imported(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    written(folder / "curves.csv", rows)
    rlsweep("import", "csv", "curves.csv", "--sweep", "study")


def fitted(*arguments: str) -> Any:
    return json.loads(rlsweep("fit", "study", *arguments, "--json").stdout)


def rows_of(sql: str) -> list[tuple[Any, ...]]:
    engine = open_database(resolve_url(None), create=False)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_a_known_law_is_recovered_through_the_database(folder: Path) -> None:
    imported(folder, curves())
    fit = fitted("--x", "data", "--from", "512")
    found = {each["name"]: each for each in fit["law"]["parameters"]}
    assert found["K_max"]["interval"]["low"] < TRUTH["k_max"] < found["K_max"]["interval"]["high"]
    assert found["N_0"]["interval"]["low"] < TRUTH["n0"] < found["N_0"]["interval"]["high"]
    assert found["K_max"]["value"] == pytest.approx(TRUTH["k_max"], rel=0.05)
    kept = rows_of("SELECT scope, k_max, num_sizes, summary IS NOT NULL FROM fit_summary")
    assert kept == [("inter-model", found["K_max"]["value"], 6, 1)]


def test_prefixes_of_every_run_are_kept(folder: Path) -> None:
    imported(folder, curves(SIZES[-2:]))
    fit = fitted("--scope", "intra-model", "--x", "data", "--law", "log-linear", "--law", "floor")
    assert len(fit["runs"]) == 4
    laws = rows_of("SELECT trial_id, form, rank FROM fit_form ORDER BY position")
    assert {form for _, form, _ in laws} == {"log-linear", "floor"}
    forecasts = rows_of(
        "SELECT DISTINCT trial_id, law FROM fit_holdout WHERE mode LIKE 'kshot%' AND prefix_share < .95"
    )
    assert len(forecasts) == 8
    assert "log-linear" in rlsweep("fit", "study", "--scope", "intra-model", "--x", "data").stdout


def test_reuse_is_judged_against_twins(folder: Path) -> None:
    size = SIZES[3:4]
    rows = curves(size) + curves(size, rng_seed=1, tau=5.0)
    harmed = [{**row, "score": max(1 - (1 - row["score"]) * 1.1, 0.0)} for row in curves(size, rng_seed=2, tau=50.0)]
    imported(folder, rows + harmed)
    fit = fitted("--scope", "data-reuse", "--margin", "0.05")
    assert [effect["verdict"] for effect in fit["models"][0]["effects"]] == ["equivalent", "harmful"]
    safe = rows_of("SELECT model, estimate FROM fit_parameter WHERE name = 'largest_safe_tau'")
    assert safe == [(f"synthetic-{size[0]}", 5.0)]
    means = rows_of(
        "SELECT tau, estimate > 0 FROM fit_parameter WHERE name = 'mean_log_loss_difference' AND trial_id IS NULL"
        " ORDER BY tau"
    )
    assert means[-1] == (50.0, 1)
    assert "as good as fresh" in rlsweep("fit", "study", "--scope", "data-reuse", "--margin", "0.05").stdout


def test_group_sizes_are_compared_at_equal_budgets(folder: Path) -> None:
    size = SIZES[3:4]
    small, large = curves(size, group_size=4), curves(size, rng_seed=1, group_size=16)
    better = [{**row, "score": 1 - (1 - row["score"]) * 0.9} for row in large]
    imported(folder, small + better)
    fit = fitted("--scope", "group-size", "--x", "data")
    assert {each["group_size"] for each in fit["models"][0]["ranges"]} == {16}
    best = rows_of("SELECT DISTINCT group_size FROM fit_parameter WHERE name = 'best_from'")
    assert best == [(16,)]
    assert "G = 16 has the lowest loss" in " ".join(rlsweep("fit", "study", "--scope", "group-size").stdout.split())


def test_gains_are_told_apart_by_benchmark(folder: Path) -> None:
    home = curves(SIZES[:3], benchmark="heldout")
    abroad = [{**row, "benchmark": "gsm8k", "score": 0.3} for row in home]
    imported(folder, home + abroad)
    fit = fitted("--scope", "transfer")
    assert fit["in_domain"][0] == "heldout"
    gains = rows_of(
        "SELECT benchmark, MIN(estimate) > .01, MAX(ABS(estimate)) = 0 FROM fit_parameter WHERE name = 'gain'"
        " GROUP BY benchmark ORDER BY benchmark"
    )
    assert gains == [("gsm8k", 0, 1), ("heldout", 1, 0)]
    assert rows_of("SELECT benchmark, protocol FROM fit") == [(None, None)]
    assert "heldout" in rlsweep("fit", "study", "--scope", "transfer").stdout


def test_trials_that_differ_in_another_axis_can_be_told_apart(folder: Path) -> None:
    imported(folder, curves(SIZES[:4]) + curves(SIZES[:4], rng_seed=1, group_size=16))
    assert fitted("--x", "data", "--where", "group_size=16")["num_runs"] == 8
    assert fitted("--x", "data")["num_runs"] == 16


SCOPES = (
    ("--x", "data", "--holdout", f"model=synthetic-{SIZES[3]}"),
    ("--scope", "intra-model", "--x", "data"),
    ("--scope", "data-reuse"),
    ("--scope", "group-size", "--x", "data"),
    ("--scope", "transfer"),
)


@pytest.fixture
def study(folder: Path) -> None:
    """Two taus and two group sizes, enough for every scope."""
    rows = curves(SIZES[:4], steps=21, benchmark="heldout")
    reused = curves(SIZES[:2], steps=21, rng_seed=1, tau=5.0, benchmark="heldout")
    imported(folder, rows + reused + curves(SIZES[:2], steps=21, rng_seed=2, group_size=16, benchmark="heldout"))


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("arguments", SCOPES, ids=lambda arguments: arguments[1])
def test_a_kept_fit_comes_out_the_same_to_the_bit(arguments: tuple[str, ...]) -> None:
    fit_id = fitted(*arguments)["fit_id"]
    assert "comes out the same, to the bit" in rlsweep("fit", "--rerun", str(fit_id)).stdout
    roles = dict(rows_of(f"SELECT role, COUNT(*) FROM fit_point WHERE fit_id = {fit_id} GROUP BY role"))
    assert sum(roles.values()) == len(rows_of("SELECT evaluation_id FROM learning_curve"))


@pytest.mark.usefixtures("study")
def test_rows_that_have_changed_or_gone_or_come_are_named() -> None:
    fit_id = fitted("--x", "data")["fit_id"]
    engine = open_database(resolve_url(None), create=False)
    with begin_write(engine) as connection:
        connection.execute(text("UPDATE evaluation SET score = 0.123 WHERE id = 7"))
        connection.execute(text("UPDATE attempt SET live_through_step = 19 WHERE trial_id = 1"))
    said = " ".join(rlsweep("fit", "--rerun", str(fit_id), exit_code=1).stdout.split())
    assert f"Fit {fit_id} cannot be made again" in said
    assert "1 evaluation changed: synthetic-500000000, seed 1, step 6, heldout (exact): score 0.123 now" in said
    assert "1 evaluation gone: synthetic-500000000, seed 1, step 20, heldout (exact): score 0." in said


@pytest.mark.usefixtures("study")
def test_rows_that_a_file_replaced_are_named_with_both_scores(folder: Path) -> None:
    fit_id = fitted("--x", "data")["fit_id"]
    with (folder / "curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    was, rows[3]["score"] = float(rows[3]["score"]), "0.25"
    written(folder / "curves.csv", rows)
    rlsweep("import", "csv", "curves.csv", "--sweep", "study", "--replace")
    done = json.loads(rlsweep("fit", "--rerun", str(fit_id), "--json", exit_code=1).stdout)
    (changed,) = done["changed"]
    assert (changed["model"], changed["seed"], changed["step"]) == (rows[3]["model"], 1, 3)
    assert (changed["was"], changed["now"]) == (pytest.approx(was), 0.25)
    assert (done["is_same"], done["gone"], done["new"]) == (None, [], [])
    said = rlsweep("fit", "--rerun", str(fit_id), exit_code=1).stdout
    assert f"step 3, heldout (exact): score {was:.4g} -> 0.25" in said


@pytest.mark.usefixtures("study")
def test_a_fit_is_made_again_from_equal_rows_under_other_numbers(folder: Path) -> None:
    fit_id = fitted("--x", "data")["fit_id"]
    with (folder / "curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept, rows[3]["score"] = rows[3]["score"], "0.25"
    for score in ("0.25", kept):
        rows[3]["score"] = score
        written(folder / "curves.csv", rows)
        rlsweep("import", "csv", "curves.csv", "--sweep", "study", "--replace")
    assert "comes out the same, to the bit" in rlsweep("fit", "--rerun", str(fit_id)).stdout


@pytest.mark.usefixtures("study")
def test_rows_that_have_come_since_change_nothing(folder: Path) -> None:
    fit_id = fitted("--x", "data")["fit_id"]
    written(folder / "more.csv", curves(SIZES[4:5], steps=21, rng_seed=5, benchmark="heldout"))
    rlsweep("import", "csv", "more.csv", "--sweep", "study")
    said = rlsweep("fit", "--rerun", str(fit_id)).stdout
    assert "comes out the same, to the bit" in said
    assert "42 evaluations new, and not in it:" in said
    assert "and 37 more; --json has all" in said


def test_a_fit_that_is_not_there_is_refused(folder: Path) -> None:
    imported(folder, curves(SIZES[:1]))
    with pytest.raises(RlsweepError, match="There is no fit 7 in this database"):
        rlsweep("fit", "--rerun", "7")


def test_sizes_are_predicted_with_what_was_seen_of_them(folder: Path) -> None:
    imported(folder, curves())
    arguments = ("predict", "study", "--x", "data", "--from", "512", "--size", "70e9", "--size", "synthetic-7000000000")
    made = json.loads(rlsweep(*arguments, "--at", "20480", "--json").stdout)
    assert [(each["num_params"], each["label"]) for each in made["predictions"]] == [
        (7_000_000_000, "in_sample"),
        (70_000_000_000, "zero_shot"),
    ]
    page = rlsweep(*arguments, "--at", "20480").stdout
    assert "zero_shot" in page
    assert "95%, a new run" in page


def test_a_budget_is_predicted_for_a_loss(folder: Path) -> None:
    imported(folder, curves())
    page = rlsweep("predict", "study", "--x", "data", "--from", "512", "--size", "32e9", "--loss", "0.55").stdout
    truth = 512 * (0.9 / 0.55) ** (1 / saturating_slopes(SIZES, **TRUTH)[SIZES[-1]])
    (budget,) = json.loads(
        rlsweep(
            "predict", "study", "--x", "data", "--from", "512", "--size", "32e9", "--loss", "0.55", "--json"
        ).stdout
    )  # fmt: skip
    assert budget["low"] < truth < budget["high"]
    assert "Budgets of a test loss" in page
    assert "32B" in page


def test_a_budget_beyond_every_experiment_is_not_told_in_digits(folder: Path) -> None:
    imported(folder, curves())
    page = rlsweep("predict", "study", "--x", "data", "--size", "500M", "--loss", "0.0001").stdout
    assert "over 1e30" in page


def test_the_frontier_names_the_best_size_at_every_budget(folder: Path) -> None:
    imported(folder, curves())
    made = json.loads(rlsweep("frontier", "study", "--x", "compute", "--also", "70e9", "--json").stdout)
    assert set(made["sizes"]) == {*SIZES, 70_000_000_000}
    stretches = made["stretches"]
    assert [each["from_x"] for each in stretches[1:]] == [each["to_x"] for each in stretches[:-1]]
    assert "handed over at" in rlsweep("frontier", "study", "--x", "compute").stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("predict", "study", "--at", "1e4", "--loss", "0.5"), "one of them"),
        (("predict", "study", "--x", "data", "--size", "none"), "model none: no evaluated model has that name"),
        (("frontier", "study", "--x", "colour"), "--x colour: expected one of"),
        (("fit", "study", "--scope", "data-reuse"), "no run uses its prompts more than once"),
    ],
)
def test_what_cannot_be_forecast_is_refused(folder: Path, arguments: tuple[str, ...], why: str) -> None:
    imported(folder, curves(SIZES[:3]))
    with pytest.raises(RlsweepError, match=why):
        rlsweep(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "--scope", "sizes"), ("fit", "--k-form", "cubic"), ("plot", "--estimator", "best"),
        ("fit", "--scope", "intra-model", "--law", "line"), ("predict", "--holdout", "none"),
        ("fit", "--where", "seed"), ("fit", "--where", "colour=red"), ("frontier", "--where", "seed=9"),
        ("fit", "--benchmark", "none"), ("fit", "--draws", "many"), ("fit", "--draws", "1"), ("fit", "--margin", "2"),
        ("predict", "--size", "none"), ("predict", "--at", "nan"), ("predict", "--at", "-5"),
        ("predict", "--at", "1e30"), ("predict", "--at", "0"), ("predict", "--size", "1e18"),
        ("predict", "--loss", "1"), ("frontier", "--until", "inf"), ("frontier", "--also", "0"),
        ("fit", "--from", "-1"), ("fit", "--to", "0"), ("fit", "--from", "9K", "--to", "1K"),
        ("fit", "--rerun", "1", "--x", "data"), ("plot", "--output", "law.pdf"), ("fit", "--margin", "0.1"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_options_that_can_mean_nothing_end_with_2(folder: Path, arguments: tuple[str, ...]) -> None:
    imported(folder, curves(SIZES[:3], steps=4))
    result = CliRunner().invoke(app, list(arguments))
    ended_with = result.exception.exit_code if isinstance(result.exception, RlsweepError) else result.exit_code
    assert ended_with == 2
    assert not rows_of("SELECT id FROM fit")


@pytest.mark.parametrize(
    "arguments",
    [("fit", "--scope", "data-reuse"), ("fit", "--rerun", "9"), ("fit", "--x", "gpu-hours"), ("plot", "none"),
     ("fit", "--x", "data", "--from", "1e9"), ("fit", "--estimator", "qb")],
    ids=" ".join,
)  # fmt: skip
def test_data_that_bear_no_fit_end_with_1(folder: Path, arguments: tuple[str, ...]) -> None:
    rows = [{**row, "problems": None} for row in curves(SIZES[:3], steps=4)]
    imported(folder, rows)
    with pytest.raises(RlsweepError) as refused:
        rlsweep(*arguments)
    assert refused.value.exit_code == 1


def test_amounts_are_typed_as_they_are_printed(folder: Path) -> None:
    imported(folder, curves())
    arguments = ("predict", "study", "--x", "data", "--json")
    typed = json.loads(rlsweep(*arguments, "--size", "70b", "--size", "7B", "--at", "20.5K", "--from", "1K").stdout)
    digits = json.loads(
        rlsweep(*arguments, "--size", "70e9", "--size", "7e9", "--at", "20500", "--from", "1000").stdout
    )
    assert typed == digits
    assert [each["num_params"] for each in typed["predictions"]] == [SIZES[3], 70_000_000_000]
    held_out = fitted("--x", "data", "--holdout", "32B")
    assert [each["num_params"] for each in held_out["sizes"] if each["held_out"]] == [SIZES[-1]]
    assert "70B" in rlsweep("frontier", "study", "--also", "70B", "--until", "1e24").stdout


def test_an_axis_that_was_not_asked_for_is_one_that_the_data_have_and_is_said(folder: Path) -> None:
    imported(folder, [{**row, "flops": None, "tokens": None} for row in curves(SIZES[:4])])
    result = rlsweep("fit", "study", "--json")
    assert result.stderr == (
        "rlsweep: These runs have no FLOPs: taken over prompts, as by --x data. They have --x steps as well.\n"
    )
    fit = json.loads(result.stdout)
    assert fit["x_kind"] == "samples"
    ((x, settings),) = rows_of("SELECT x, settings FROM fit")
    assert (x, json.loads(settings)["x"]) == ("samples", "samples")
    assert "comes out the same" in rlsweep("fit", "--rerun", str(fit["fit_id"])).stdout
    for command in ("plot", "predict", "frontier"):
        assert "taken over prompts" in rlsweep(command, "study").stderr
    with pytest.raises(RlsweepError, match="these runs have no flops, which the law is asked over"):
        rlsweep("fit", "study", "--x", "compute")


@pytest.mark.parametrize("command", ["fit", "plot", "predict", "frontier"])
def test_the_help_shows_what_is_taken_where_an_option_is_left_out(command: str) -> None:
    said = " ".join(rlsweep(command, "--help").stdout.replace("│", " ").split())
    assert "[default: saturating]" in said
    assert "[default: rlsweep.db]" in said


def test_plot_makes_any_fit_that_fit_makes(folder: Path) -> None:
    def options_of(command: str) -> set[str]:
        shown = rlsweep(command, "--help").stdout
        return {word for line in shown.splitlines() for word in line.split() if word.startswith("--")}

    assert options_of("fit") - options_of("plot") == {"--rerun", "--report", "--json"}
    imported(folder, curves(SIZES[:4]))
    kept = fitted("--x", "data", "--k-form", "power", "--estimator", "huber", "--draws", "50", "--to", "10K")["fit_id"]
    drawn = rlsweep(
        "plot", "study", "--x", "data", "--k-form", "power", "--estimator", "huber", "--draws", "50", "--to", "10K"
    ).stdout
    assert f"Drew fit {kept}: study.png, study.svg" in drawn


@pytest.mark.parametrize(
    ("place", "png"),
    [
        ("some/new/folder/law.png", "some/new/folder/law.png"), ("law.SVG", "law.png"), ("law-2.5", "law-2.5.png"),
        ("there", "there/study.png"),
    ],
)  # fmt: skip
def test_a_figure_is_written_where_it_was_asked_for(folder: Path, place: str, png: str) -> None:
    (folder / "there").mkdir()
    imported(folder, curves(SIZES[:1]))
    rlsweep("plot", "study", "--x", "data", "-o", place)
    assert (folder / png).read_bytes().startswith(b"\x89PNG")
    assert (folder / png).with_suffix(".svg").exists()


@pytest.mark.parametrize(
    "arguments", [("plot", "--output", "curves.csv/law"), ("fit", "--report", "curves.csv/law.md")]
)
def test_a_place_that_cannot_be_written_is_one_clear_error_before_the_work(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    imported(folder, curves(SIZES[:1]))
    with pytest.raises(RlsweepError, match=f"Cannot write curves.csv/law.*Choose another place with {arguments[1]}"):
        rlsweep(*arguments, "--x", "data")
    assert not rows_of("SELECT id FROM fit")


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("arguments", SCOPES, ids=lambda arguments: arguments[1])
def test_a_report_says_what_was_found_and_how_it_was_made(folder: Path, arguments: tuple[str, ...]) -> None:
    fit_id = fitted(*arguments, "--report", "new/page.md")["fit_id"]
    page = (folder / "new" / "page.md").read_text()
    assert page.startswith(f"# Fit {fit_id}: ")
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings[0] == "## What was found"
    assert headings[-2:] == ["## What speaks against it", "## How it was made"]
    (digest,) = rows_of(f"SELECT data_sha256 FROM fit WHERE id = {fit_id}")
    assert f"SHA-256 {digest[0]}" in page
    assert any(line.startswith("| ") for line in page.splitlines())
    assert "None" not in page
    assert "nan" not in page
    assert "e+" not in page  # amounts are written as they are typed


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("arguments", SCOPES, ids=lambda arguments: arguments[1])
def test_every_scope_has_its_picture(folder: Path, arguments: tuple[str, ...]) -> None:
    rlsweep("plot", "study", *arguments, "-o", "one")
    rlsweep("plot", "study", *arguments, "-o", "two")
    assert (folder / "one.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "one.svg").read_bytes() == (folder / "two.svg").read_bytes()
