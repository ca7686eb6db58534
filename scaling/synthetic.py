"""Evaluations drawn from a known law, in the rows that the database hands over.

For judging a fit before spending GPU hours on it (would these sizes, seeds and evaluations pin N_0 down?) and for
testing the fitting code against the truth. Nothing measured comes from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Noise:
    """Departures from the law, all of ln L: of each evaluation (`point_sd`, AR(1) `autocorrelation`), of whole runs.

    `slope_sd` is the standard deviation of a run's k, relative to k.
    """

    point_sd: float = 0.02
    autocorrelation: float = 0.0
    level_sd: float = 0.0
    slope_sd: float = 0.0


@dataclass(frozen=True)
class Scoring:
    """How a score is measured: exactly, or by `samples_per_problem` completions of each of `problems` problems."""

    problems: int = 1000
    samples_per_problem: int | None = None


def saturating_slopes(sizes: Sequence[int], *, k_max: float, n0: float) -> dict[int, float]:
    """k of each size under k = K_max / (1 + N_0/N)."""
    return {size: k_max / (1 + n0 / size) for size in sizes}


def law_rows(
    slopes: Mapping[int, float],
    *,
    seeds: Sequence[int],
    steps: Sequence[int],
    noise: Noise,
    rng_seed: int,
    first_losses: Mapping[int, float] | None = None,
    from_step: int = 1,
    prompts_per_step: int = 512,
    scoring: Scoring | None = None,
) -> list[dict[str, object]]:
    """Rows of runs whose ln L falls by k per unit of ln samples from `from_step` on, and is level before.

    `first_losses`: loss of each size at `from_step` (.9 if not given). A step 0 among `steps` is the baseline.
    """
    rng = np.random.default_rng(rng_seed)
    rows: list[dict[str, object]] = []
    for size_index, (size, k) in enumerate(slopes.items()):
        for seed_index, seed in enumerate(seeds):
            run_k = k * (1 + noise.slope_sd * rng.normal())
            start = np.log((first_losses or {}).get(size, 0.9)) + noise.level_sd * rng.normal()
            wobble = _autocorrelated(rng, len(steps), noise)
            for step, gap in zip(steps, wobble, strict=True):
                log_loss = start - run_k * max(np.log(max(step, 1) / from_step), 0.0) + gap
                loss = float(np.clip(np.exp(log_loss), 1e-6, 1.0))
                rows.append(
                    {
                        "evaluation_id": len(rows) + 1,
                        "trial_id": 1 + size_index * len(seeds) + seed_index,
                        "model": f"synthetic-{size}",
                        "num_params": size,
                        "total_params": size,
                        "nominal_params": float(size),
                        "seed": seed,
                        "group_size": 8,
                        "tau": 1.0,
                        "learning_rate": 6e-5,
                        "step": step,
                        "samples": float(step * prompts_per_step),
                        "tokens": float(step * prompts_per_step * 100),
                        "flops": float(step * prompts_per_step) * 100 * 6 * size,
                        "paper_flops": None,
                        "train_seconds": float(step),
                        "benchmark": "synthetic",
                        "protocol": "exact" if scoring is None else "sampled",
                        "trial_state": "done",
                        "final": step == steps[-1],
                        **_scored(rng, loss, scoring or Scoring()),
                    }
                )
    return rows


def _scored(rng: np.random.Generator, loss: float, scoring: Scoring) -> dict[str, object]:
    if scoring.samples_per_problem is None:
        spread = float(np.sqrt(loss * (1 - loss) / scoring.problems))
        return {
            "problems": scoring.problems, "samples_per_problem": None, "successes": None,
            "score": 1 - loss, "standard_error": spread,
        }  # fmt: skip
    attempts = scoring.problems * scoring.samples_per_problem
    failures = int(rng.binomial(attempts, loss))
    return {
        "problems": scoring.problems, "samples_per_problem": scoring.samples_per_problem,
        "successes": attempts - failures, "score": 1 - failures / attempts,
        "standard_error": float(np.sqrt(loss * (1 - loss) / attempts)),
    }  # fmt: skip


def _autocorrelated(rng: np.random.Generator, count: int, noise: Noise) -> list[float]:
    rho = noise.autocorrelation
    value = rng.normal()
    values = []
    for _ in range(count):
        values.append(noise.point_sd * value)
        value = rho * value + float(np.sqrt(1 - rho**2)) * rng.normal()
    return values
