"""The published slices of arXiv 2509.25300 are the ones drawn here, row for row, and what leaks from its held-out set.

The pool itself is not needed: the published files keep each row's place in it, so a pool of stand-ins that has the
published rows at their places yields the published slices, if and only if the draw takes exactly those places.
"""

import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from workers.prompts import Message, Prompt
from workers.prompts.curriculum import Curriculum, load_curriculum, load_heldout
from workers.prompts.duplicates import near_duplicates, without_near_duplicates
from workers.prompts.slices import slice_for_tau
from workers.prompts.source import PromptSource

TOTAL_PROMPTS, EASY_PROMPTS = 51_200, 11_554
TAUS = (4, 5, 10, 20, 25, 50, 100)  # tau 2 is published too; its file is not asked for


@pytest.fixture(scope="module")
def folder() -> Path:
    folder = os.environ.get("RLSWEEP_GURU_DATA")
    if not folder:
        pytest.skip("RLSWEEP_GURU_DATA does not name a folder with math_curriculum and math_curriculum_sampled")
    return Path(folder)


@cache
def published(folder: Path, tau: int) -> Curriculum:
    file = f"math__sampled_1_{tau}_{TOTAL_PROMPTS // tau}.parquet"
    return load_curriculum(PromptSource(str(folder / "math_curriculum_sampled"), file=file))


@cache
def pool(folder: Path, easy_prompts: int = EASY_PROMPTS) -> Curriculum:
    known = {prompt.index: prompt for prompt in published(folder, TAUS[0]).prompts}
    return Curriculum(
        tuple(
            known.get(place)
            or Prompt((Message("user", "unknown"),), "?", "unknown", 0.5 if place < easy_prompts else 0.0, place)
            for place in range(TOTAL_PROMPTS)
        )
    )


@pytest.fixture(scope="module")
def heldout(folder: Path) -> tuple[Prompt, ...]:
    return load_heldout(PromptSource(str(folder / "math_curriculum")))


@pytest.mark.parametrize("tau", TAUS)
def test_a_published_slice_is_drawn_row_for_row(folder: Path, tau: int) -> None:
    assert slice_for_tau(pool(folder), TOTAL_PROMPTS, tau) == published(folder, tau)


@pytest.mark.parametrize("tau", TAUS)
def test_no_other_size_of_the_easy_stratum_gives_a_published_slice(folder: Path, tau: int) -> None:
    """The places that the file keeps leave two sizes open; only one of them gives the published rows."""
    easy = [prompt.index for prompt in published(folder, TAUS[0]).prompts if prompt.is_easy]
    hard = [prompt.index for prompt in published(folder, TAUS[0]).prompts if not prompt.is_easy]
    assert (max(easy) + 1, min(hard)) == (EASY_PROMPTS - 1, EASY_PROMPTS)
    assert slice_for_tau(pool(folder, EASY_PROMPTS - 1), TOTAL_PROMPTS, tau) != published(folder, tau)


@pytest.mark.parametrize("tau", TAUS)
def test_a_published_slice_can_be_trained_on_directly(folder: Path, tau: int) -> None:
    slice_ = published(folder, tau)
    assert len(slice_) == slice_.unique_prompts == TOTAL_PROMPTS // tau
    assert slice_.realised_tau(TOTAL_PROMPTS) == tau


def test_the_published_slices_are_nested(folder: Path) -> None:
    for larger, smaller in pairwise(published(folder, tau) for tau in TAUS):
        assert set(smaller.prompts) < set(larger.prompts)


def test_the_published_files_are_in_curriculum_order_already(folder: Path) -> None:
    places = [prompt.index for prompt in published(folder, TAUS[0]).prompts]
    assert places == sorted(places)


def test_the_content_hash_of_a_published_slice_is_what_it_was(folder: Path) -> None:
    assert published(folder, 100).sha256.startswith("0609266aae83")


def test_the_heldout_problems_are_half_easy_and_half_hard_and_none_is_trained_on_to_the_letter(
    folder: Path, heldout: tuple[Prompt, ...]
) -> None:
    assert sum(prompt.is_easy for prompt in heldout) == 250
    assert len({prompt.text for prompt in heldout}) == 500
    trained_on = {prompt.text for prompt in published(folder, TAUS[0]).prompts}
    assert not trained_on & {prompt.text for prompt in heldout}


@pytest.mark.parametrize(("tau", "similar", "same"), [(4, 34, 18), (5, 27, 13), (10, 11, 5), (20, 5, 4), (100, 0, 0)])
def test_heldout_problems_that_the_published_slices_train_on(
    folder: Path, heldout: tuple[Prompt, ...], tau: int, similar: int, same: int
) -> None:
    pairs = near_duplicates(published(folder, tau).prompts, heldout)
    assert len({pair.heldout.index for pair in pairs}) == similar
    assert len({pair.heldout.index for pair in pairs if pair.similarity == 1.0}) == same


def test_without_near_duplicates_no_slice_trains_on_a_heldout_problem(
    folder: Path, heldout: tuple[Prompt, ...]
) -> None:
    clean = without_near_duplicates(published(folder, TAUS[0]), heldout)
    assert len(clean) == 12_800 - 35
    assert near_duplicates(clean.prompts, heldout) == []
