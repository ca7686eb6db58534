"""The figure: written in both formats, the same for the same fit, and carrying its caveats."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

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
