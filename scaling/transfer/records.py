"""A transfer fit as rows of the fit tables: gains, late damage, and what goes with size and with the gain in domain."""

from __future__ import annotations

from collections.abc import Sequence

from db.records import FitRecords
from scaling.observations import Row, from_rows
from scaling.records import Record, check_rows, fit_row, number, point_rows, unweighted, without_trials
from scaling.results import PointFit
from scaling.settings import FitSettings
from scaling.transfer.results import Transfer, TransferFit


def to_records(fit: TransferFit, rows: Sequence[Row], settings: FitSettings) -> FitRecords:
    """The rows of a fit that was made of these evaluations with these settings."""
    scored = {(each.benchmark, each.protocol) for each in fit.transfers}
    benchmark, protocol = next(iter(scored)) if len(scored) == 1 else (None, None)
    return FitRecords(
        fit=fit_row(
            scope="transfer",
            x="steps",
            settings=settings.stored(),
            data_sha256=fit.data_sha256,
            num_points=fit.num_points,
            benchmark=benchmark,
            protocol=protocol,
            num_sizes=len({each.num_params for each in fit.transfers}),
            num_runs=len({run.trial_id for each in fit.transfers for run in each.runs}),
            summary="\n".join(fit.summary),
        ),
        parameters=[*(row for each in fit.transfers for row in _parameters(each)), *_relations(fit)],
        points=point_rows(_points(fit, rows), rows),
        holdouts=[],
        forms=[],
        checks=check_rows(fit.checks),
    )


def _parameters(transfer: Transfer) -> list[Record]:
    scored = {"benchmark": transfer.benchmark, "protocol": transfer.protocol}
    of: Record = {"model": transfer.model, "num_params": transfer.num_params, **scored}
    gain, relative, damage = transfer.gain, transfer.relative_gain, transfer.damage
    rows = [
        number("first_loss", transfer.first_loss, **of),
        number("last_loss", transfer.last_loss, **of),
        number("gain", gain.value, standard_error=gain.se, interval=gain.interval, **of),
    ]
    if relative is not None:
        rows.append(
            number("relative_gain", relative.value, standard_error=relative.se, interval=relative.interval, **of)
        )
    if damage is not None:
        rise = number("rise_from_lowest", damage.rise, standard_error=damage.se, interval=damage.interval, **of)
        rows.append({**rise, "at_x": damage.end_step})
    rows += [number("gain", run.gain, trial_id=run.trial_id, **of) for run in transfer.runs]
    return rows


def _relations(fit: TransferFit) -> list[Record]:
    rows = []
    for trend in fit.trends:
        of: Record = {"benchmark": trend.benchmark, "protocol": trend.protocol, "at_x": trend.at_step}
        rows.append(number("rank_correlation_with_size", trend.rank_correlation, **of))
        rows.append(number("p_of_rank_correlation_with_size", trend.p_value, **of))
    for coupling in fit.couplings:
        of = {"benchmark": coupling.benchmark, "protocol": coupling.protocol, "at_x": coupling.at_step}
        rows.append(number("rank_correlation_in_domain", coupling.rank_correlation, **of))
        if coupling.within_models is not None:
            rows.append(number("rank_correlation_in_domain_within_models", coupling.within_models, **of))
    return rows


def _points(fit: TransferFit, rows: Sequence[Row]) -> list[PointFit]:
    points = []
    for benchmark, protocol in sorted({(str(row["benchmark"]), str(row["protocol"])) for row in rows}):
        mine = [row for row in rows if (row["benchmark"], row["protocol"]) == (benchmark, protocol)]
        left_out = {trial: why for trial, *scored, why in fit.left_out if scored == [benchmark, protocol]}
        points += unweighted(without_trials(from_rows(mine, x="steps"), left_out))
    return points
