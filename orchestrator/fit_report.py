"""A kept fit as one page of Markdown: what was found, what speaks against it, and how it was made.

The last part answers what a reader has to know of any scaling law: its form, the training behind it, how the data were
extracted, and how it was fitted (the checklist of Li et al. 2025, arXiv 2502.18969). Everything is taken from the
records of the fit, so the page of an old fit is the page that it had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from db.records import FitRecords
from orchestrator.screens.fits.pieces import found_nothing
from scaling.wording import short

Row = Mapping[str, Any]

# What a number may be of, in the order in which it is said.
_OF = ("model", "num_params", "trial_id", "benchmark", "protocol", "tau", "group_size", "against_group_size", "law")
_WORDS = {"num_params": "N", "trial_id": "trial", "group_size": "G", "against_group_size": "against G"}
_ESTIMATORS = {
    "qb": "quasi-binomial likelihood of the counts with a log link, by iteratively reweighted least squares",
    "ols-log": "least squares of ln L",
    "huber": "Huber's loss of ln L, begun at least squares",
    "linear-ls": "least squares of L, as arXiv 2509.25300",
}


def report(records: FitRecords, *, fit_id: int, question: str | None, caveats: Sequence[str]) -> str:
    """The page. `question` and `caveats` are the sweep's."""
    fit = records.fit
    scored = f"{fit['benchmark']} ({fit['protocol']})" if fit["benchmark"] else "several benchmarks"
    lines = [f"# Fit {fit_id}: {fit['scope']}, {scored} against {fit['x']}", ""]
    lines += [question, ""] if question else []
    lines += ["## What was found", "", *_paragraphs((fit["summary"] or "").splitlines())]
    lines += _section("Numbers", _numbers(records.parameters))
    lines += _section("Forecasts", _forecasts(records.holdouts))
    lines += _section("Candidates", _candidates(records.forms))
    lines += ["## What speaks against it", "", *_checks(records.checks), *(f"* {caveat}" for caveat in caveats), ""]
    lines += ["## How it was made", "", *(f"* **{what}**: {said}" for what, said in _checklist(records, fit_id)), ""]
    return "\n".join(lines)


def _section(title: str, table: list[str]) -> list[str]:
    return [f"## {title}", "", *table, ""] if table else []


def _paragraphs(sentences: Iterable[str]) -> list[str]:
    return [line for sentence in sentences if sentence for line in (_escaped(sentence), "")]


def _numbers(rows: Sequence[Row]) -> list[str]:
    head = ("number", "of", "estimate", "95% interval", "from")
    return _table(
        head,
        [(row["name"], _of(row), _number(row["estimate"]), _interval(row), row["interval_method"]) for row in rows],
    )


def _forecasts(rows: Sequence[Row]) -> list[str]:
    head = ("forecast", "of", "label", "at x", "predicted", "95% interval", "seen", "error")
    return _table(
        head,
        [
            (
                row["quantity"], _of(row) + _prefix(row), row["mode"], _number(row["at_x"]), _number(row["predicted"]),
                _interval(row), _number(row["actual"]), _percent(row["relative_error"]),
            )
            for row in rows
        ],
    )  # fmt: skip


def _candidates(rows: Sequence[Row]) -> list[str]:
    head = ("form", "of", "numbers", "AICc above the best", "Akaike weight", "held-out error", "log-score", "preferred")
    return _table(
        head,
        [
            (
                row["form"], _of(row), str(row["num_parameters"]), _number(row["delta_aicc"]),
                _share(row["akaike_weight"]), _share(row["holdout_error"]), _number(row.get("log_score")),
                "yes" if row.get("is_preferred") else "",
            )
            for row in rows
        ],
    )  # fmt: skip


def _checks(rows: Sequence[Row]) -> list[str]:
    said = [f"* {row['severity']} **{row['code']}**: {_escaped(row['message'])}" for row in rows]
    loud = [line for row, line in zip(rows, said, strict=True) if row["severity"] == "warning"]
    quiet = [line for row, line in zip(rows, said, strict=True) if row["severity"] == "note"]
    passed = found_nothing((row["code"], row["severity"]) for row in rows)
    return [*loud, *quiet, *([f"* nothing was found by {', '.join(passed)}"] if passed else [])]


def _checklist(records: FitRecords, fit_id: int) -> list[tuple[str, str]]:
    fit, settings = records.fit, records.fit["settings"]
    roles = Counter(row["role"] for row in records.points)
    reasons = Counter((row["role"], row["reason"]) for row in records.points if row["reason"])
    window = (
        f"{_number(settings.get('from_x')) or 'the first evaluation'} to {_number(settings.get('to_x')) or 'the last'}"
    )
    left_out = "; ".join(f"{count} {role}: {reason}" for (role, reason), count in sorted(reasons.items())) or "none"
    other = {name: value for name, value in sorted(settings.items()) if name not in ("x", "from_x", "to_x", "where")}
    trials = ", ".join(f"{column} = {' or '.join(values)}" for column, values in settings.get("where", {}).items())
    return [
        ("Form", _form(fit)),
        ("Quantities", f"L = 1 - pass@1 against {fit['x']}; N is parameters without embeddings"),
        (
            "Runs",
            f"{_number(fit['num_runs'])} trajectories of {_number(fit['num_sizes'])} sizes; {trials or 'all trials'}",
        ),
        ("Evaluations", ", ".join(f"{count} {role}" for role, count in sorted(roles.items()))),
        ("Window", window),
        ("Left out, and why", _escaped(left_out)),
        ("Estimator", _ESTIMATORS.get(fit["estimator"], fit["estimator"] or "none: curves are compared")),
        ("Start of the search", "none: grids and closed forms, the same for the same rows"),
        ("Settings", ", ".join(f"{name} = {value}" for name, value in other.items()) or "all by default"),
        ("Rows", f"SHA-256 {fit['data_sha256']}; of each in `fit_point`"),
        ("Program", f"rlsweep {fit['rlsweep_version']}; `rlsweep fit --rerun {fit_id}` makes it again"),
    ]


def _form(fit: Row) -> str:
    if fit["k_form"] is None:
        return "none that is fitted to all rows; see the numbers"
    if fit["k_form"] == "free":
        return "ln L = E - k ln X, a slope for every size"
    from scaling.laws.k_forms import K_FORMS

    return f"ln L = E - k(N) ln X, k(N) = {K_FORMS[fit['k_form']].formula}, a level E for every run"


def _table(head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[str]:
    """Columns in which nothing stands are left out."""
    if not rows:
        return []
    kept = [place for place in range(len(head)) if any(row[place] for row in rows)]
    lines = [[head[place] for place in kept], ["---"] * len(kept)]
    lines += [[_escaped(row[place] or "") for place in kept] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _of(row: Row) -> str:
    parts = [(name, row.get(name)) for name in _OF]
    said = [f"{_WORDS.get(name, name)} {_number(value)}" for name, value in parts if value is not None]
    return ", ".join(said) + (f" at {_number(row['at_x'])}" if row.get("at_x") is not None and "name" in row else "")


def _prefix(row: Row) -> str:
    return f", first {row['prefix_share']:.0%}" if row.get("prefix_share") is not None else ""


def _interval(row: Row) -> str:
    low, high = row["low"], row["high"]
    return "" if low is None and high is None else f"{_number(low) or 'open'} to {_number(high) or 'open'}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return short(value) if value >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
