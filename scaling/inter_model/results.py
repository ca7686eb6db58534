"""What an inter-model fit hands out: plain frozen records of Python numbers, ready for a table, a database or a figure.

A number that could not be had is None. Slopes k are exponents of X in L = e^E X^-k, so they have no unit.
"""

from dataclasses import dataclass
from typing import Literal

from scaling.results import Check, Interval, PointFit

Mode = Literal["in_sample", "zero_shot", "kshot", "oracle_level"]


@dataclass(frozen=True)
class RunFit:
    """The free straight line through one run: ln L = intercept - k ln X."""

    trial_id: int
    seed: int
    num_evaluations: int
    k: float
    intercept: float
    r2: float | None
    x_min: float
    x_max: float
    first_loss: float
    last_loss: float


@dataclass(frozen=True)
class SizeFit:
    """The free slope of one size (its runs share k, each keeps its own level) and what the law says of it."""

    num_params: int
    models: tuple[str, ...]
    held_out: bool
    num_evaluations: int
    baseline_loss: float | None
    first_loss: float
    last_loss: float
    k: float
    k_se: float | None
    k_interval: Interval | None
    k_law: float | None
    k_law_interval: Interval | None
    k_first_half: float | None
    k_second_half: float | None
    k_halves_se: float | None
    level: float
    level_x: float
    level_se: float | None
    r2: float | None
    x_min: float
    x_max: float
    runs: tuple[RunFit, ...]

    @property
    def intercept(self) -> float:
        """E of the size's free line, mean over its runs."""
        return sum(run.intercept for run in self.runs) / len(self.runs)


@dataclass(frozen=True)
class Parameter:
    """One number of the law. `at_bound`: the search stopped at the edge of its box.

    `draws`: its bootstrap draws, in order, as 8-byte little-endian floats; None without a bootstrap.
    """

    name: str
    value: float
    unit: str
    interval: Interval | None
    at_bound: bool = False
    draws: bytes | None = None


@dataclass(frozen=True)
class Identification:
    """Whether the data can tell the law's parameters apart, and the numbers behind that verdict.

    `verdict`: identified, one_sided (no size beyond N_0), kmax_not_identified (read kappa instead), constant_k,
    no_learning, free_slopes_only (two sizes), trajectory_only (one size), or not_saturating (another form of k).
    """

    verdict: str
    message: str
    correlation: float | None = None
    condition_number: float | None = None
    n0_profile: Interval | None = None
    n0_profile_open: bool = False
    largest_size_over_n0: float | None = None
    kappa: float | None = None
    kappa_interval: Interval | None = None


@dataclass(frozen=True)
class Law:
    """The fitted k(N), with `theta` in the coordinates of its form (see `k_forms`)."""

    k_form: str
    theta: tuple[float, ...]
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class FormComparison:
    """One candidate k(N) on the same slopes.

    `forecast_error`: mean |error| of k over forward forecasts by size, of which `largest_error` is the last: the
    largest size from all others. `log_score`: mean ln density that these forecasts gave to the slopes that came, higher
    is better. `lack_of_fit`: p-value of slopes lying off the form by noise alone.
    """

    k_form: str
    theta: tuple[float, ...]
    num_parameters: int
    rss: float
    aicc: float | None
    delta_aicc: float | None = None
    akaike_weight: float | None = None
    forecast_errors: tuple[tuple[int, float], ...] = ()
    forecast_error: float | None = None
    largest_k_forecast: float | None = None
    log_scores: tuple[tuple[int, float], ...] = ()
    log_score: float | None = None
    lack_of_fit: float | None = None

    @property
    def largest_error(self) -> float | None:
        """Relative error of the largest size's k, forecast from all others; None without a forecast of it."""
        return self.forecast_errors[-1][1] if self.forecast_errors else None


@dataclass(frozen=True)
class FormChoice:
    """What the data say about the form of k(N). `preferred` is None where nothing tells.

    `rivals` cannot be told from it: their AICc is less than 4 above, or less than 10 with forecasts of larger sizes
    within one standard error of the best. `by`: held-out sizes, or AICc alone. `message` is a sentence to quote.
    """

    preferred: str | None
    rivals: tuple[str, ...]
    by: Literal["held-out sizes", "AICc", "nothing"]
    message: str


@dataclass(frozen=True)
class Forecast:
    """A statement about one size, labelled by which of its evaluations the estimation had seen.

    `mode`: zero_shot saw none; kshot saw the first `m_shot` of each run; oracle_level saw rows that it is then scored
    on, so it is not a prediction; in_sample describes rows that the law was fitted to. `mean_interval` is of the size's
    true curve; `interval` is a prediction interval: it adds the level of new runs and the noise of their evaluations,
    and so is the one to hold against what was measured. `x_outside` and `size_outside`: how far the last x, and ln N,
    lie beyond what the estimation saw, in units of the range that it saw.
    """

    mode: Mode
    quantity: Literal["k", "loss"]
    target_size: int
    trained_on: tuple[int, ...]
    m_shot: int
    at_x: float | None
    predicted: float
    interval: Interval | None
    actual: float
    actual_se: float | None
    mean_interval: Interval | None = None
    x_outside: float = 0.0
    size_outside: float = 0.0

    @property
    def relative_error(self) -> float | None:
        """predicted / actual - 1, or None where the actual value is not positive."""
        return self.predicted / self.actual - 1.0 if self.actual > 0 else None

    @property
    def covered(self) -> bool | None:
        """Whether the interval holds the actual value."""
        return None if self.interval is None else self.interval.low <= self.actual <= self.interval.high

    @property
    def label(self) -> str:
        """The mode as it is printed and stored."""
        return f"kshot({self.m_shot})" if self.mode == "kshot" else self.mode


@dataclass(frozen=True)
class ForecastLine:
    """The zero-shot curve of the largest size, for the figure: ln L = level - k (ln X - ln level_x)."""

    target_size: int
    k: float
    level: float
    level_x: float
    x_max: float


@dataclass(frozen=True)
class InterModelFit:
    """Everything that one inter-model fit found out; equal inputs give equal fits, to the byte."""

    x_kind: str
    benchmark: str
    protocol: str
    from_x: float | None
    to_x: float | None
    k_form: str
    estimator: str
    draws: int
    data_sha256: str
    num_points: int
    num_effective: float
    num_runs: int
    rss: float
    phi: float | None
    run_sd: float | None
    autocorrelation: float | None
    r2: float | None
    r2_size_means: float | None
    sizes: tuple[SizeFit, ...]
    law: Law | None
    identification: Identification
    forms: tuple[FormComparison, ...]
    forecasts: tuple[Forecast, ...]
    forecast_line: ForecastLine | None
    checks: tuple[Check, ...]
    points: tuple[PointFit, ...]
    form_choice: FormChoice | None = None
    equal_size_weight: bool = False

    @property
    def preferred_form(self) -> str | None:
        """The form of k(N) that the data prefer; None where nothing tells."""
        return self.form_choice.preferred if self.form_choice else None

    @property
    def training_sizes(self) -> tuple[SizeFit, ...]:
        """The sizes that the law was fitted to, ascending."""
        return tuple(size for size in self.sizes if not size.held_out)

    def parameter(self, name: str) -> Parameter | None:
        """The law's parameter of this name, or None where there is no law or no such parameter."""
        found = [each for each in (self.law.parameters if self.law else ()) if each.name == name]
        return found[0] if found else None

    @property
    def caveats(self) -> tuple[str, ...]:
        """What has to stand beside a figure of this fit: its warnings, then its notes on seeds and learning rate."""
        said = [check.message for check in self.checks if check.severity == "warning"]
        said += [each.message for each in self.checks if each.severity == "note" and each.code in ("SEEDS", "LR")]
        return tuple(said)
