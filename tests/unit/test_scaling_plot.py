"""The figure: written in both formats, the same for the same fit, and carrying its caveats."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from scaling.figures.diagnostics import draw_diagnostics
from scaling.figures.inter_model import draw_inter_model, plot_inter_model, summary
from scaling.figures.labels import _apart
from scaling.inter_model.fit import fit_inter_model
from scaling.observations import from_rows
from scaling.synthetic import Noise, law_rows, saturating_slopes
from scaling.wording import short

SIZES = (1_000, 4_000, 16_000, 64_000)
ROWS = law_rows(
    saturating_slopes(SIZES, k_max=0.25, n0=9_000), seeds=(1, 2), steps=range(20), noise=Noise(), rng_seed=0
)


def written(folder: Path) -> list[bytes]:
    observations = from_rows(ROWS)
    paths = [folder / "plots" / "fit.png", folder / "plots" / "fit.svg"]
    plot_inter_model(fit_inter_model(observations), observations, title="t", caveats=["a caveat"], paths=paths)
    return [path.read_bytes() for path in paths]


def test_equal_fits_give_equal_files(tmp_path: Path) -> None:
    png, svg = written(tmp_path / "one")

    assert png.startswith(b"\x89PNG")
    assert b"<svg" in svg
    assert written(tmp_path / "two") == [png, svg]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("x", ["samples", "flops"])
def test_any_number_of_sizes_can_be_drawn_and_every_caveat_is_there(count: int, x: str) -> None:
    rows = [row for row in ROWS if int(str(row["num_params"])) in SIZES[:count]]
    observations = from_rows(rows, x=x, from_x=1.0)  # type: ignore[arg-type]

    figure = draw_inter_model(
        fit_inter_model(observations, draws=50), observations, title="title", caveats=["first caveat", "second " * 60]
    )

    text = " ".join(each.get_text() for each in figure.texts)
    assert "title" in text
    assert "first caveat" in text
    assert text.count("second") == 60
    labels = [each.get_text() for each in figure.axes[0].texts]
    assert all(any(label.startswith(short(size)) for label in labels) for size in SIZES[:count])


def test_a_held_out_size_is_drawn_hollow() -> None:
    observations = from_rows(ROWS)
    fit = fit_inter_model(observations, holdout=[64_000], draws=50)

    figure = draw_inter_model(fit, observations, title="", caveats=[])

    assert any(line.get_markerfacecolor() == "white" for line in figure.axes[0].lines)


def test_sizes_that_are_close_are_named_once_and_ticked_each() -> None:
    sizes = (1_000, 1_010, 4_000, 16_000)
    rows = law_rows(
        saturating_slopes(sizes, k_max=0.25, n0=9_000), seeds=(1, 2), steps=range(20), noise=Noise(), rng_seed=0
    )
    observations = from_rows(rows)

    right = draw_inter_model(fit_inter_model(observations, draws=50), observations, title="", caveats=[]).axes[1]

    assert [label.get_text() for label in right.get_xticklabels()] == ["1K", "", "4K", "16K"]
    assert right.get_xticks().tolist() == list(sizes)


def test_the_band_of_the_law_is_a_smooth_curve_through_the_intervals_of_the_sizes() -> None:
    observations = from_rows(ROWS)
    fit = fit_inter_model(observations, draws=50)

    right = draw_inter_model(fit, observations, title="", caveats=[]).axes[1]

    (band,) = [each for each in right.collections if isinstance(each, PolyCollection)]
    corners = {(float(f"{x:.6g}"), float(f"{y:.6g}")) for x, y in band.get_paths()[0].vertices}
    assert len(corners) > 100
    for size in fit.sizes:
        assert size.k_law_interval is not None
        assert (float(f"{size.num_params:.6g}"), float(f"{size.k_law_interval.high:.6g}")) in corners


def test_a_size_is_labelled_with_the_slope_of_its_line() -> None:
    observations = from_rows(ROWS)
    fit = fit_inter_model(observations, draws=50)

    labels = {each.get_text() for each in draw_inter_model(fit, observations, title="", caveats=[]).axes[0].texts}

    assert {f"{short(size.num_params)}  k = {size.k_law:.3f}" for size in fit.sizes} <= labels


def test_the_summary_names_the_law_or_says_why_there_is_none() -> None:
    assert summary(fit_inter_model(from_rows(ROWS))).startswith("k(N) = K_max / (1 + N_0/N):")
    one = [row for row in ROWS if row["num_params"] == 1_000]
    assert "One size" in summary(fit_inter_model(from_rows(one)))


def test_labels_are_moved_apart_and_keep_their_order() -> None:
    moved = _apart([0.10, 0.11, 0.12, 0.90], 0.05)

    assert moved == sorted(moved)
    assert min(b - a for a, b in itertools.pairwise(moved)) > 0.0499
    assert moved[-1] == 0.90


@pytest.mark.parametrize(
    ("amount", "words"), [(26_688, "26.7K"), (1_589_760, "1.59M"), (7e9, "7B"), (999_999, "1M"), (512, "512")]
)
def test_sizes_are_written_as_people_say_them(amount: float, words: str) -> None:
    assert short(amount) == words


def test_importing_the_package_imports_nothing_heavy() -> None:
    page = "orchestrator.screens.fits.inter_model"
    code = f"import scaling, {page}, sys; print({{'numpy', 'scipy', 'matplotlib'}} & set(sys.modules))"

    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert output.strip() == "set()"


@pytest.mark.parametrize("k_form", ["saturating", "constant", "free"])
def test_diagnostics_show_every_residual_and_the_draws_of_a_law_that_has_two_numbers(k_form: str) -> None:
    observations = from_rows(
        law_rows(saturating_slopes((1_000, 4_000, 16_000), k_max=0.2, n0=8_000), seeds=(1, 2), steps=range(1, 31),
                 noise=Noise(0.01), rng_seed=0)
    )  # fmt: skip
    fit = fit_inter_model(observations, k_form=k_form, draws=50)

    left, middle, right = draw_diagnostics(fit, observations, title="a", caveats=["Warned."]).axes

    points = [line for line in left.lines if line.get_marker() == "."]
    drawn = sorted(float(y) for line in points for y in np.asarray(line.get_ydata()))
    assert drawn == sorted(point.residual for point in fit.points if point.residual is not None)
    assert all(line.get_ydata()[0] == pytest.approx(1.0) for line in middle.lines[:3])  # type: ignore[index]
    assert len(right.lines) == (2 if k_form == "saturating" else 0)
    assert bool(right.texts) == (k_form != "saturating")
