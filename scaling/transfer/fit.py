"""Does what was learned transfer? Gain or damage of every model on every benchmark, in and out of domain.

A run is judged against itself before training. Nothing is fitted: losses, gains with their errors, damage that came
late (F10), and rank correlations with model size and with the gain in domain, at the last step that all runs of a
benchmark were scored at. `fit_transfer` is pure and deterministic; it writes nothing and prints nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from scaling.errors import FitError
from scaling.observations import IntArray, Observations, Row, data_sha256, from_rows
from scaling.transfer.checks import transfer_checks
from scaling.transfer.gains import damage, mean_gain, mean_relative_gain, run_gain
from scaling.transfer.results import Coupling, Transfer, TransferFit, Trend
from scaling.transfer.trends import coupling_of, trend_of

IN_DOMAIN_PREFIX = "heldout"
Scored = tuple[str, str]  # benchmark and protocol
LeftOut = tuple[int, str, str, str]


def fit_transfer(rows: Sequence[Row], *, in_domain: str | None = None) -> TransferFit:
    """Judge every model on every benchmark that its runs were scored on before and after training.

    `rows` are those of the view `learning_curve`, of all benchmarks; protocols of a benchmark are kept apart.
    `in_domain`: the benchmark of the training domain; not given, the one whose name begins with `heldout`.
    """
    if not rows:
        raise FitError("there are no evaluations to judge. Run the sweep first, or name another one.")
    scored = sorted({(str(row["benchmark"]), str(row["protocol"])) for row in rows})
    if in_domain is not None and in_domain not in {benchmark for benchmark, _ in scored}:
        known = ", ".join(sorted({benchmark for benchmark, _ in scored}))
        raise FitError(f"the benchmark in domain, {in_domain}, has no evaluations here. There are: {known}.")
    transfers: list[Transfer] = []
    compared: list[Transfer] = []
    left_out: list[LeftOut] = []
    for each in scored:
        mine = [row for row in rows if (row["benchmark"], row["protocol"]) == each]
        observations = from_rows(mine, x="steps")
        runs, missing = _runs(observations)
        transfers += _transfers(observations, runs, in_domain)
        compared += _transfers(observations, _until_common_step(observations, runs), in_domain)
        left_out += missing
    if not transfers:
        raise FitError(
            "no run was scored on one benchmark both before training (step 0) and after it, so no gain is known. Let "
            "evaluations begin at step 0."
        )
    base = _base(transfers)
    digest = data_sha256(rows)
    trends, couplings = _trends(compared, base, int(digest[:16], 16))
    return TransferFit(
        data_sha256=digest,
        num_points=sum(run.num_evaluations for each in transfers for run in each.runs),
        in_domain=base,
        transfers=tuple(transfers),
        trends=trends,
        couplings=couplings,
        left_out=tuple(left_out),
        checks=tuple(transfer_checks(transfers, compared, rows, left_out, base=base)),
        summary=tuple(_in_words(list(group), trends) for _, group in itertools.groupby(transfers, key=_scored)),
    )


def _runs(observations: Observations) -> tuple[list[IntArray], list[LeftOut]]:
    """The rows of every run of one benchmark in order of steps, from step 0 on, and the runs that cannot be judged."""
    usable = (observations.where("train") | observations.where("baseline")) & np.isfinite(observations.loss)
    runs: list[IntArray] = []
    left_out: list[LeftOut] = []
    for trial in np.unique(observations.trial_id):
        rows = np.flatnonzero(usable & (observations.trial_id == trial))
        rows = rows[np.argsort(observations.step[rows], kind="stable")]
        if len(rows) == 0 or observations.step[rows[0]] != 0:
            left_out.append((int(trial), observations.benchmark, observations.protocol, "not scored before training"))
        elif len(rows) == 1:
            left_out.append((int(trial), observations.benchmark, observations.protocol, "not scored after training"))
        else:
            runs.append(rows)
    return runs, left_out


def _until_common_step(observations: Observations, runs: Sequence[IntArray]) -> list[IntArray]:
    """The runs as far as the last step that all of them were scored at; none where they share none but 0."""
    steps = [set(observations.step[rows].tolist()) for rows in runs]
    last = max(set.intersection(*steps), default=0) if steps else 0
    return [rows[observations.step[rows] <= last] for rows in runs] if last > 0 else []


def _transfers(observations: Observations, runs: Sequence[IntArray], in_domain: str | None) -> list[Transfer]:
    """Every model on one benchmark, by size."""
    by_model: dict[tuple[int, str], list[IntArray]] = {}
    for rows in runs:
        key = int(observations.num_params[rows[0]]), observations.model[rows[0]]
        by_model.setdefault(key, []).append(rows)
    return [_transfer(observations, by_model[key], in_domain) for key in sorted(by_model)]


def _transfer(observations: Observations, rows: Sequence[IntArray], in_domain: str | None) -> Transfer:
    runs = tuple(run_gain(observations, each) for each in rows)
    benchmark = observations.benchmark
    return Transfer(
        model=observations.model[rows[0][0]],
        num_params=int(observations.num_params[rows[0][0]]),
        benchmark=benchmark,
        protocol=observations.protocol,
        in_domain=benchmark.startswith(IN_DOMAIN_PREFIX) if in_domain is None else benchmark == in_domain,
        first_loss=float(np.mean([run.first_loss for run in runs])),
        last_loss=float(np.mean([run.last_loss for run in runs])),
        best_loss=float(np.mean([run.best_loss for run in runs])),
        gain=mean_gain(runs),
        relative_gain=mean_relative_gain(runs),
        damage=damage(observations, rows),
        runs=runs,
    )


def _base(transfers: Sequence[Transfer]) -> Scored | None:
    """The benchmark and protocol in domain that most runs were scored by, the first by name among equals."""
    runs: dict[Scored, int] = {}
    for each in transfers:
        if each.in_domain:
            runs[_scored(each)] = runs.get(_scored(each), 0) + len(each.runs)
    return max(sorted(runs), key=lambda scored: runs[scored], default=None)


def _trends(
    transfers: Sequence[Transfer], base: Scored | None, seed: int
) -> tuple[tuple[Trend, ...], tuple[Coupling, ...]]:
    """Of transfers whose runs end at one step: a longer run must not look like a larger or a better one."""
    gains = {run.trial_id: run.gain for each in transfers if _scored(each) == base for run in each.runs}
    trends, couplings = [], []
    for scored, group in itertools.groupby(transfers, key=_scored):
        mine = list(group)
        trends.append(trend_of(mine, seed))
        if scored != base:
            couplings.append(coupling_of(mine, gains))
    return tuple(each for each in trends if each), tuple(each for each in couplings if each)


def _in_words(transfers: Sequence[Transfer], trends: Sequence[Trend]) -> str:
    """One sentence about one benchmark that a researcher can quote."""
    first = transfers[0]
    parts = []
    for each in transfers:
        said = f"{each.model} {each.first_loss:.3f} to {each.last_loss:.3f}"
        parts.append(
            f"{said}, damaged since step {each.damage.low_step}" if each.damage and each.damage.is_found else said
        )
    sentence = f"{first.benchmark} ({first.protocol}): loss before and after training {'; '.join(parts)}"
    for trend in trends:
        if (trend.benchmark, trend.protocol) == _scored(first):
            sentence += (
                f"; rank correlation of size and relative gain at step {trend.at_step} "
                f"{trend.rank_correlation:+.2f} (p = {trend.p_value:.2g})"
            )
    return f"{sentence}."


def _scored(transfer: Transfer) -> Scored:
    return transfer.benchmark, transfer.protocol
