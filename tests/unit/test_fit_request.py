"""What is fitted: the command line before the sweep file before the scope's own, and nothing that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from db.errors import SpecError
from orchestrator.fitting import FitOptions, Request, requested
from scaling.selection import select
from scaling.settings import FitSettings, where_of

IN_FILE = {"scope": "inter-model", "x": "data", "from": 1024.0}
ROWS: list[dict[str, Any]] = [
    {"benchmark": name, "protocol": "exact", "score": 0.5, "model": model, "num_params": size, "seed": 1, "tau": tau}
    for name, model, size, tau in (("gsm8k", "a", 10, 1.0), ("heldout", "a", 10, 5.0), ("gsm8k", "b", 20, None))
]


TRAINED: list[dict[str, Any]] = [{**row, "step": 3, "samples": 96} for row in ROWS]


def resolved(in_file: dict[str, Any] | None = None, **options: Any) -> FitSettings:
    return requested(FitOptions(**options), in_file, ROWS).settings


def asked_of(rows: list[dict[str, Any]], **options: Any) -> Request:
    return requested(FitOptions(**options), None, rows)


def test_the_sweep_files_settings_hold_unless_the_command_line_says_otherwise() -> None:
    assert resolved(IN_FILE) == FitSettings(x="samples", from_x=1024.0)
    assert resolved(IN_FILE, from_x=10.0) == FitSettings(x="samples", from_x=10.0)
    assert resolved().axis == "flops"


def test_a_window_chosen_for_one_axis_is_not_used_on_another() -> None:
    assert resolved(IN_FILE, x="compute") == FitSettings(x="flops")


@pytest.mark.parametrize("scope", ["data-reuse", "transfer", "group-size", "intra-model"])
def test_what_the_file_says_for_its_scope_does_not_bind_another(scope: str) -> None:
    assert resolved(IN_FILE, scope=scope) == FitSettings(scope=scope)


def test_a_scope_keeps_its_own_axis_whatever_default_the_file_was_given() -> None:
    assert resolved({"scope": "data-reuse", "x": "compute", "from": None}).axis == "samples"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"scope": "sizes"}, "--scope sizes: expected one of inter-model, intra-model"),
        ({"x": "prompts"}, "--x prompts: expected one of data, compute, paper-compute"),
        ({"where": ["model"]}, "--where model: write it as COLUMN=VALUE"),
        ({"holdout": ["c"]}, "model c: no evaluated model has that name or size; known: a .10., b .20."),
        ({"in_domain": "gsm9k", "scope": "transfer"}, "--in-domain gsm9k: no evaluation is of that benchmark"),
    ],
)
def test_what_is_not_understood_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        resolved(**options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"scope": "transfer", "k_form": "power"}, "k_form = 'power' means nothing to a fit of scope transfer"),
        ({"scope": "data-reuse", "x": "compute"}, "a fit of scope data-reuse is made over data, not over compute"),
        ({"holdout": ["model=c"]}, "model c: no evaluated model has that name or size; known: a .10., b .20."),
        ({"draws": -1}, "draws = -1"),
        ({"draws": 1}, "draws = 1: give 40 to 1,000,000, as 1000, or 0"),
        ({"k_form": "cubic"}, "form 'cubic' is unknown. Choose one of saturating, "),
        ({"estimator": "best"}, "estimator 'best' is unknown. Choose one of auto, "),
        ({"scope": "intra-model", "laws": ["line"]}, "law of a curve 'line' is unknown. Choose one of log-linear, "),
        ({"scope": "data-reuse", "margin": 2.0}, "margin = 2: give a share between 0 and 1"),
        ({"x": "data", "from_x": 40e3, "to_x": 1e3}, "the window from 40K to 1K holds nothing"),
    ],
)
def test_what_a_scope_has_no_use_for_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        resolved(**options)


@pytest.mark.parametrize("name", ["model=b", "b", "B", "20"])
def test_models_held_out_are_sizes(name: str) -> None:
    assert resolved(holdout=[name]).holdout == (20,)


def test_a_size_is_named_as_it_is_printed_or_sold() -> None:
    def held_out(name: str) -> tuple[int, ...]:
        near = [("m-7b", 6_530_000_000, 7.6e9), ("n-7b", 6_531_000_000, None), ("m-72b", 70_000_000_000, 72e9)]
        rows = [{**ROWS[0], "model": model, "num_params": size, "nominal_params": sold} for model, size, sold in near]
        return asked_of(rows, holdout=[name]).settings.holdout

    assert held_out("70b") == held_out("72B") == held_out("M-72B") == (70_000_000_000,)
    assert held_out("6531000000") == held_out("6.531e9") == held_out("n-7b") == (6_531_000_000,)
    with pytest.raises(SpecError, match=r"6\.53B may be any of m-7b \(6,530,000,000 parameters\), n-7b"):
        held_out("6.53B")


def test_a_model_of_the_same_size_that_is_held_out_as_well_is_named() -> None:
    rows = [*ROWS, {**ROWS[2], "model": "c"}]
    assert "being of exactly that size: c." in asked_of(rows, holdout=["b"]).remarks[0]
    assert asked_of(rows, holdout=["20"]).remarks == ()


def test_the_axis_that_nobody_asked_for_is_one_that_the_runs_have() -> None:
    asked = asked_of(TRAINED)
    assert asked.settings.x == "samples"
    assert asked.remarks == (
        "These runs have no FLOPs: taken over prompts, as by --x data. They have --x steps as well.",
    )
    assert asked_of([{**row, "flops": 1e9} for row in TRAINED]) == Request(FitSettings(), ())


def test_an_axis_that_all_runs_have_goes_before_one_that_some_have() -> None:
    rows = [{**row, "samples": None} for row in TRAINED[:1]] + [{**row, "tokens": 9} for row in TRAINED]
    assert asked_of(rows).settings.x == "steps"


def test_a_window_of_no_known_axis_is_refused_and_the_whole_of_any_is_not() -> None:
    with pytest.raises(SpecError, match=r"these runs have no FLOPs\. Say which: --x data, --x steps"):
        asked_of(TRAINED, from_x=1e18)
    assert asked_of(TRAINED, from_x=0.0).settings.x == "samples"


def test_rows_are_chosen_by_benchmark_and_by_what_trials_differ_in() -> None:
    def chosen(**settings: Any) -> int:
        return len(select(ROWS, FitSettings(**settings)))

    assert (chosen(), chosen(benchmark="gsm8k")) == (3, 2)
    assert chosen(where=where_of({"tau": ["1", "5"]}.items())) == 2
    assert chosen(where=where_of({"tau": ["5.0"], "model": ["a"]}.items())) == 1
    assert chosen(where=where_of({"tau": ["NULL"]}.items())) == 1
    sized = [{**row, "num_params": 7_012_000_000 + int(row["num_params"])} for row in ROWS]
    assert len(select(sized, FitSettings(where=where_of({"num_params": ["7.01b"]}.items())))) == 3


def test_a_value_that_no_row_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SpecError, match=r"benchmark = gsm9k: no evaluation has that\. There are: gsm8k, heldout"):
        select(ROWS, FitSettings(benchmark="gsm9k"))
    with pytest.raises(SpecError, match=r"where tau = 7: no evaluation has that\. There are: 1, 5, NULL"):
        select(ROWS, FitSettings(where=where_of({"tau": ["1", "7"]}.items())))
    with pytest.raises(SpecError, match="where colour: rows cannot be chosen by it"):
        select(ROWS, FitSettings(where=where_of({"colour": ["red"]}.items())))


def test_settings_come_back_from_the_database_as_they_went_in() -> None:
    settings = FitSettings(
        x="samples", from_x=16.0, benchmark="gsm8k", where=where_of({"seed": ["2", "1"]}.items()), holdout=(20,),
        k_form="power", draws=50,
    )  # fmt: skip
    assert FitSettings.restored("inter-model", settings.stored()) == settings
