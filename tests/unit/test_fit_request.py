"""What is fitted: the command line before the sweep file before the scope's own, and nothing that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from db.errors import SpecError
from orchestrator.fitting import FitOptions, settings_of
from scaling.errors import FitError
from scaling.selection import select
from scaling.settings import FitSettings, where_of

IN_FILE = {"scope": "inter-model", "x": "data", "from": 1024.0}
ROWS: list[dict[str, Any]] = [
    {"benchmark": name, "protocol": "exact", "score": 0.5, "model": model, "num_params": size, "seed": 1, "tau": tau}
    for name, model, size, tau in (("gsm8k", "a", 10, 1.0), ("heldout", "a", 10, 5.0), ("gsm8k", "b", 20, None))
]


def resolved(in_file: dict[str, Any] | None = None, **options: Any) -> FitSettings:
    return settings_of(FitOptions(**options), in_file, ROWS)


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
        ({"holdout": ["a"]}, "--holdout a: write it as model=NAME"),
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
        ({"holdout": ["model=c"]}, "model c: no evaluated model has that name; known: a, b"),
        ({"draws": -1}, "draws = -1"),
    ],
)
def test_what_a_scope_has_no_use_for_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(FitError, match=why):
        resolved(**options)


def test_models_held_out_are_sizes() -> None:
    assert resolved(holdout=["model=b"]).holdout == (20,)


def test_rows_are_chosen_by_benchmark_and_by_what_trials_differ_in() -> None:
    def chosen(**settings: Any) -> int:
        return len(select(ROWS, FitSettings(**settings)))

    assert (chosen(), chosen(benchmark="gsm8k")) == (3, 2)
    assert chosen(where=where_of({"tau": ["1", "5"]}.items())) == 2
    assert chosen(where=where_of({"tau": ["5.0"], "model": ["a"]}.items())) == 1
    assert chosen(where=where_of({"tau": ["NULL"]}.items())) == 1


def test_a_value_that_no_row_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(FitError, match=r"benchmark = gsm9k: no evaluation has that\. There are: gsm8k, heldout"):
        select(ROWS, FitSettings(benchmark="gsm9k"))
    with pytest.raises(FitError, match=r"where tau = 7: no evaluation has that\. There are: 1, 5, NULL"):
        select(ROWS, FitSettings(where=where_of({"tau": ["1", "7"]}.items())))
    with pytest.raises(FitError, match="where colour: rows cannot be chosen by it"):
        select(ROWS, FitSettings(where=where_of({"colour": ["red"]}.items())))


def test_settings_come_back_from_the_database_as_they_went_in() -> None:
    settings = FitSettings(
        x="samples", from_x=16.0, benchmark="gsm8k", where=where_of({"seed": ["2", "1"]}.items()), holdout=(20,),
        k_form="power", draws=50,
    )  # fmt: skip
    assert FitSettings.restored("inter-model", settings.stored()) == settings
