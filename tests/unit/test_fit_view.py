"""A fit on the terminal: everything a reader needs, within 100 columns; and as JSON."""

import json
import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.screens.fits.page import fit_as_json, render_fit
from orchestrator.screens.fits.pieces import STANDING, first_sentence, print_checks
from scaling.inter_model.fit import fit_inter_model
from scaling.inter_model.results import InterModelFit
from scaling.observations import from_rows
from scaling.results import Check, Severity
from scaling.synthetic import Noise, law_rows, saturating_slopes

ROOT = Path(__file__).resolve().parents[2]
SIZES = (24_832, 99_328, 393_728, 1_574_912)
CAVEAT = "Test problems are new inputs to functions seen in training; they do not test new skills. " * 2


def fit(count: int = 4, *, noise: float = 0.012, holdout: list[int] | None = None) -> InterModelFit:
    rows = law_rows(
        saturating_slopes(SIZES[:count], k_max=0.22, n0=39_000), seeds=(11, 12),
        steps=(0, 1, 4, 16, 24, 36, 50, 70, 95, 125, 160), noise=Noise(noise), rng_seed=1, prompts_per_step=64,
    )  # fmt: skip
    return fit_inter_model(from_rows(rows, from_x=1024), holdout=holdout)


def rendered(shown: InterModelFit, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=False)
    render_fit(shown, caveats=[CAVEAT], console=console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def printed(checks: Sequence[Check]) -> str:
    console = Console(file=StringIO(), width=100, force_terminal=False)
    print_checks(checks, console, 100)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def _check(code: str, severity: Severity) -> Check:
    return Check(code, severity, None, None, None, f"What {code} says. What to do.")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("noise", [0.012, 0.3])
def test_no_line_is_wider_than_a_hundred_columns(count: int, noise: float) -> None:
    text = rendered(fit(count, noise=noise), width=160)

    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100


def test_the_sizes_the_law_the_forecasts_and_the_caveats_are_there() -> None:
    shown = fit()
    text = rendered(shown)

    for words in ("24.8K", "1.57M", "K_max", "N_0", "zero_shot", "oracle_level", "its own level: no forecast", "LR"):
        assert words in text
    assert "with no learning" in text
    assert CAVEAT[:40] in text
    for size in shown.sizes:
        assert f"{size.k:.4f}" in text


def test_warnings_and_notes_are_printed_whole_and_standing_notes_in_a_sentence() -> None:
    shown = fit(noise=0.3)
    text = " ".join(rendered(shown).split())

    for check in shown.checks:
        words = " ".join(check.message.split())
        if check.severity == "note" and check.code in STANDING:
            assert f"· {check.code}" in text
            assert first_sentence(words) in text
            assert words == first_sentence(words) or words not in text
        elif check.severity != "ok":
            assert words in text


def test_warnings_come_first_and_standing_notes_last() -> None:
    checks = [_check("LR", "note"), _check("F05", "note"), _check("F01", "warning"), _check("F05", "warning")]
    text = printed(checks)

    assert [line.split()[:2] for line in text.splitlines()] == [["!", "F05"], ["!", "F01"], ["·", "F05"], ["·", "LR"]]


def test_a_code_that_found_something_did_not_find_nothing() -> None:
    text = printed([_check("F02", "ok"), _check("F05", "ok"), _check("F05", "note"), _check("F07", "ok")])

    assert "nothing found by F02, F07" in text


def test_every_form_that_was_compared_is_in_the_table_and_the_choice_stands_under_it() -> None:
    shown = fit()
    text = rendered(shown)
    assert shown.form_choice is not None

    for form in shown.forms:
        assert f"\n{form.k_form}" in text
        assert form.delta_aicc is not None
        assert f" {form.delta_aicc:.1f} " in text
    assert f"{shown.preferred_form}*" in text
    assert " ".join(text.split()).count(" ".join(shown.form_choice.message.split())) == 1


def test_every_code_of_a_check_is_in_the_documentation() -> None:
    code = re.compile(r'\b_?[cC]heck\([^"()]*"([A-Z]+\d*)"')
    used = {found for file in ROOT.glob("scaling/**/*.py") for found in code.findall(file.read_text())}
    table = (ROOT / "docs" / "fits.md").read_text().split("## Checks")[1].split("\n## ")[0]
    assert {"F01", "F09", "ORDER"} <= used
    assert used == set(re.findall(r"^\| ([A-Z]+\d*) \|", table, re.MULTILINE))


def test_a_held_out_size_is_marked() -> None:
    text = rendered(fit(holdout=[SIZES[-1]]))

    assert "1.57M*" in text
    assert "held out" in text


def test_without_a_law_the_reason_is_printed() -> None:
    assert "No law." in rendered(fit(2))


def test_json_has_the_same_content_and_is_valid() -> None:
    shown = fit()
    content = json.loads(json.dumps(fit_as_json(shown, ["a caveat"]), allow_nan=False))

    assert content["caveats"] == ["a caveat"]
    assert content["law"]["parameters"][0]["name"] == "K_max"
    assert [size["k"] for size in content["sizes"]] == [size.k for size in shown.sizes]
    assert content["forecasts"][0]["label"] == "zero_shot"
    assert content["evaluations_by_role"] == {"baseline": 8, "outside_window": 16, "train": 64}
