"""The slices of a data-reuse study: nested, in the pool's proportion, in its order, and drawn the same each time."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import SpecError
from workers.prompts import Message, Prompt
from workers.prompts.curriculum import Curriculum
from workers.prompts.slices import slice_for_tau

Pool = tuple[int, int, int]  # total_prompts, easy ones, rows of the file behind them


def pool_of(total: int, easy: int, behind: int = 0) -> Curriculum:
    rates = [0.5] * easy + [0.0] * (total - easy) + [0.0] * behind
    return Curriculum(
        tuple(Prompt((Message("user", "?"),), "7", "maths", rate, index) for index, rate in enumerate(rates))
    )


def places(curriculum: Curriculum) -> list[int]:
    return [prompt.index for prompt in curriculum.prompts]


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    total = draw(st.sampled_from([1, 7, 12, 60, 100, 120, 512]))
    return total, draw(st.integers(0, total)), draw(st.integers(0, 9))


def divisors(total: int) -> list[int]:
    return [tau for tau in range(1, total + 1) if total % tau == 0]


@given(pools(), st.integers(0, 2**32 - 2))
def test_slices_are_nested_and_in_the_order_of_the_pool(pool: Pool, seed: int) -> None:
    total, easy, behind = pool
    larger = list(range(total))
    for tau in divisors(total):
        slice_ = places(slice_for_tau(pool_of(total, easy, behind), total, tau, seed=seed))
        assert slice_ == sorted(set(slice_))
        assert set(slice_) <= set(larger)
        larger = slice_


@given(pools(), st.integers(0, 2**32 - 2))
def test_slices_have_their_size_and_the_share_of_easy_prompts_rounded_down(pool: Pool, seed: int) -> None:
    total, easy, behind = pool
    for tau in divisors(total):
        slice_ = slice_for_tau(pool_of(total, easy, behind), total, tau, seed=seed)
        assert len(slice_) == total // tau
        assert slice_.easy_prompts == (total // tau) * easy // total


@given(pools(), st.data())
def test_strata_are_drawn_as_pandas_draws_a_sample(pool: Pool, data: st.DataObject) -> None:
    total, easy, behind = pool
    tau = data.draw(st.sampled_from(divisors(total)))
    num_easy = (total // tau) * easy // total
    rows = pd.Series(range(total))
    expected = [
        *rows[:easy].sample(n=num_easy, random_state=42),
        *rows[easy:].sample(n=total // tau - num_easy, random_state=43),
    ]
    assert places(slice_for_tau(pool_of(total, easy, behind), total, tau)) == sorted(expected)


def test_a_draw_is_the_same_each_time_and_on_every_machine() -> None:
    drawn = [0, 1, 15, 17, 26, 29, 34, 39]
    # Pinned: the generator's stream must not change with the version of NumPy.
    assert places(slice_for_tau(pool_of(40, 20), 40, 5)) == drawn
    assert places(slice_for_tau(pool_of(40, 20), 40, 5, seed=1)) != drawn


@given(st.permutations(range(30)))
def test_a_draw_does_not_depend_on_what_the_prompts_say(texts: list[int]) -> None:
    pool = pool_of(30, 11)
    renamed = Curriculum(
        tuple(
            Prompt((Message("user", str(text)),), "7", "code", each.pass_rate, each.index)
            for text, each in zip(texts, pool.prompts, strict=True)
        )
    )
    assert places(slice_for_tau(renamed, 30, 3)) == places(slice_for_tau(pool, 30, 3))


def test_tau_one_is_the_whole_pool() -> None:
    assert places(slice_for_tau(pool_of(12, 5, behind=8), 12, 1)) == list(range(12))


@pytest.mark.parametrize("tau", [0, -2, 7, 24])
def test_tau_must_divide_the_draws(tau: int) -> None:
    with pytest.raises(SpecError, match=rf"tau is {tau}, and total_prompts 12 is not a multiple of it"):
        slice_for_tau(pool_of(12, 5), 12, tau)


@pytest.mark.parametrize("total", [0, 14])
def test_a_pool_larger_than_the_file_is_refused_with_both_numbers(total: int) -> None:
    with pytest.raises(SpecError, match=rf"total_prompts is {total}, and the training file has 12 rows"):
        slice_for_tau(pool_of(12, 5), total, 2)


@pytest.mark.parametrize("seed", [-1, 2**32 - 1])
def test_a_seed_that_the_generator_does_not_take_is_refused(seed: int) -> None:
    with pytest.raises(SpecError, match=f"the seed of the slices is {seed}"):
        slice_for_tau(pool_of(12, 5), 12, 2, seed=seed)
