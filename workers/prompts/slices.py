"""The prompts of a data-reuse trial: a part of the pool that is gone through tau times, at a fixed number of draws.

The pool is the first `total_prompts` rows of the curriculum, and the slice of tau has `total_prompts / tau` of them,
so every tau takes the same number of steps. Slices are nested: that of a larger tau is part of that of a smaller
one. They keep the pool's proportion of easy and hard problems, and the curriculum's order.

With the default seed these are the slices that arXiv 2509.25300 published, row for row. Each stratum is put into
one fixed random order and a slice takes the front of it: the easy ones by NumPy's legacy generator seeded with 42,
the hard ones with 43. That generator's stream is frozen, so the draw does not change with NumPy's version.
"""

from __future__ import annotations

from db.errors import SpecError
from workers.prompts.curriculum import Curriculum

DRAW_SEED = 42
MAX_SEED = 2**32 - 2  # the hard stratum takes the next seed, and the generator takes 32 bits


def slice_for_tau(curriculum: Curriculum, total_prompts: int, tau: int, *, seed: int = DRAW_SEED) -> Curriculum:
    """The prompts that a trial goes through `tau` times in `total_prompts` draws; the whole pool where tau is 1.

    The easy prompts are the slice's size times the pool's share of them, rounded down. Raises SpecError where tau
    does not divide `total_prompts` or the curriculum has fewer rows than that.
    """
    if tau < 1 or total_prompts % tau:
        raise SpecError(
            f"tau is {tau}, and total_prompts {total_prompts} is not a multiple of it, so its epochs would not end "
            f"together; choose a divisor of {total_prompts}"
        )
    if not 0 <= seed <= MAX_SEED:
        raise SpecError(f"the seed of the slices is {seed}; choose one from 0 to {MAX_SEED}")
    pool = curriculum.first(total_prompts)
    places = _drawn_places(pool, total_prompts // tau, seed)
    return Curriculum(tuple(pool.prompts[place] for place in places))


def _drawn_places(pool: Curriculum, size: int, seed: int) -> list[int]:
    """Where in the pool the slice's rows stand, ascending."""
    easy = [place for place, prompt in enumerate(pool.prompts) if prompt.is_easy]
    hard = [place for place, prompt in enumerate(pool.prompts) if not prompt.is_easy]
    num_easy = size * len(easy) // len(pool)
    return sorted(_front(easy, num_easy, seed) + _front(hard, size - num_easy, seed + 1))


def _front(places: list[int], count: int, seed: int) -> list[int]:
    """The first `count` of `places` in the random order that `seed` stands for."""
    import numpy as np

    order = np.random.RandomState(seed).permutation(len(places))
    return [places[number] for number in order[:count]]
