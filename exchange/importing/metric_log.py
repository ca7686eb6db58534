"""From metrics as a program logged them, in order of time, to the table of one run.

A run that was resumed logs steps again. What was logged later counts; what an abandoned continuation logged beyond
the point of resumption does not. Totals are summed only over a log that has every step from the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from exchange.importing.metric_names import (
    COMPLETION_TOKENS,
    LOGPROB_SECONDS,
    PROMPT_TOKENS,
    SECONDS,
    STEP_SECONDS,
    TOKENS,
)

if TYPE_CHECKING:
    import pandas as pd

_VERL_PHASES = ("gen", "reward", "old_log_prob", "ref", "values", "adv", "update_critic", "update_actor", "testing")


def live_rows(rows: Iterable[tuple[int, Mapping[str, float]]]) -> tuple[dict[int, dict[str, float]], tuple[str, ...]]:
    """Metrics by step, and what to say of it, from rows of a log that one process wrote in order.

    A step that is logged again after later ones is where the run went on from: those later ones are dropped.
    """
    live: dict[int, dict[str, float]] = {}
    repeated: set[int] = set()
    last = -1
    for step, metrics in rows:
        if step < last:
            beyond = {later for later in live if later > step}
            repeated |= beyond | ({step} & set(live))
            for later in beyond:
                del live[later]
        live.setdefault(step, {}).update(metrics)
        last = step
    return dict(sorted(live.items())), _note(repeated)


def live_values(values: Iterable[tuple[int, str, float]]) -> tuple[dict[int, dict[str, float]], tuple[str, ...]]:
    """The same where each metric has an order of its own: a slow evaluation may be logged steps later."""
    by_metric: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for step, metric, value in values:
        by_metric.setdefault(metric, []).append((step, {metric: value}))
    live: dict[int, dict[str, float]] = {}
    notes: dict[str, None] = {}
    for rows in by_metric.values():
        kept, said = live_rows(rows)
        notes |= dict.fromkeys(said)
        for step, metrics in kept.items():
            live.setdefault(step, {}).update(metrics)
    return dict(sorted(live.items())), tuple(notes)


def to_frame(rows: Mapping[int, Mapping[str, float]], *, step_name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One row a step, one column a metric, with the totals that the metrics allow, and what to say of them."""
    import pandas as pd

    frame = pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), dtype="int64"), dtype="float64")
    frame = pd.concat([_from_verl(frame), frame], axis=1)
    frame.insert(0, step_name, frame.index.astype("float64"))
    return frame, _add_totals(frame)


def not_numbers(rows: Mapping[int, Mapping[str, float]]) -> dict[str, tuple[int, ...]]:
    """The steps at which a metric was logged and was not a number, by metric."""
    found: dict[str, tuple[int, ...]] = {}
    for step, metrics in rows.items():
        for name, value in metrics.items():
            if math.isnan(value):
                found[name] = (*found.get(name, ()), step)
    return found


def _from_verl(frame: pd.DataFrame) -> pd.DataFrame:
    """What follows from a step's own verl metrics."""
    import pandas as pd

    found = pd.DataFrame(index=frame.index)
    lengths = ["perf/total_num_tokens", "prompt_length/mean", "response_length/mean"]
    if set(lengths) <= set(frame):
        total, prompt, response = (frame[name] for name in lengths)
        completions = (total / (prompt + response)).round()
        found[COMPLETION_TOKENS] = (response * completions).round()
        found[PROMPT_TOKENS] = total - found[COMPLETION_TOKENS]
    if {"timing_s/step", "timing_s/testing"} <= set(frame):
        phases = [f"timing_s/{name}" for name in _VERL_PHASES if f"timing_s/{name}" in frame]
        # Some versions time the validation inside the step, some outside: inside, the parts fit into the whole.
        inside = frame[phases].sum(axis=1) <= frame["timing_s/step"]
        found[STEP_SECONDS] = frame["timing_s/step"] - frame["timing_s/testing"].fillna(0.0).where(inside, 0.0)
    if {"timing_s/old_log_prob", "timing_s/ref"} <= set(frame):
        found[LOGPROB_SECONDS] = frame["timing_s/old_log_prob"] + frame["timing_s/ref"]
    return found


def _add_totals(frame: pd.DataFrame) -> tuple[str, ...]:
    sources = {TOKENS: ("perf/total_num_tokens",), SECONDS: (STEP_SECONDS, "timing_s/step", "train/step_time")}
    notes = []
    for total, names in sources.items():
        source = next((name for name in names if name in frame), None)
        if source is None:
            continue
        values = frame.loc[frame.index >= 1, source].dropna()
        if list(values.index) == list(range(1, len(values) + 1)):
            frame[total] = values.cumsum()
        else:
            notes.append(f"{source} is not logged for every step from 1 on, so it is not summed.")
    return tuple(notes)


def _note(repeated: set[int]) -> tuple[str, ...]:
    if not repeated:
        return ()
    return (
        f"Steps {min(repeated)} to {max(repeated)} were logged again, or given up, when the run was resumed: the last "
        "ones logged count.",
    )
