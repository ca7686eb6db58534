"""A trial on prompts from a parquet file, judged in worker processes: from the file to the rows of its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import URL, text

from db.database import open_database
from db.errors import SpecError
from db.reader import Reader
from db.states import AttemptState
from db.store import claim
from orchestrator.identified import identified
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from tests.tiny_training import save_text_model
from workers.provenance import this_process
from workers.trial import Folders, run_trial

SWEEP = """
name: published
models: {tiny: {source: ./model, dtype: float32}}
base:
  model: tiny
  data: {train: ./train.parquet, heldout: ./test.parquet, total_prompts: 16, tau: 2, drop_near_duplicates: true}
  prompts_per_step: 4
  group_size: 2
  optimizer: {learning_rate: 1.0e-3}
  generation: {engine: transformers, max_completion_tokens: 4}
  seed: 1
axes: {}
budgets: {unit: samples, at: [16]}
evaluations: [{benchmark: heldout, method: sampled, samples: 2, at: budgets}]
resources: {gpus: 0}
"""


def write(file: Path, problems: list[tuple[str, str, float]], split: str) -> None:
    rows = [
        {
            "data_source": "math__made",
            "prompt": [{"role": "user", "content": question}],
            "reward_model": {"ground_truth": answer},
            "extra_info": {"split": split, "qwen2.5_7b_pass_rate": rate},
        }
        for question, answer, rate in problems
    ]
    pq.write_table(pa.Table.from_pylist(rows), file)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    save_text_model(tmp_path / "model")
    heldout = [(f"What is {number} times eleven, in decimal digits?", str(11 * number), 0.5) for number in range(4)]
    training = [(f"What is {number} plus one? Say it in a box.", str(number + 1), number / 24) for number in range(24)]
    write(tmp_path / "test.parquet", heldout, "test")
    write(tmp_path / "train.parquet", [*training, (heldout[0][0], "0", 0.9)], "train")
    file = tmp_path / "published.yaml"
    file.write_text(SWEEP)
    return file


def run(sweep: Path, url: URL, artifacts: Path) -> tuple[AttemptState, Reader, int]:
    engine = open_database(url, create=False)
    loaded = identified(load_sweep(sweep))
    registration = register(engine, loaded)
    (trial_id,), reader = registration.trial_ids, Reader(engine)
    store = claim(engine, trial_id=trial_id, sweep_id=registration.sweep_id, process=this_process())
    outcome = run_trial(
        loaded.trials[0].spec,
        store=store,
        reader=reader,
        folders=Folders(artifacts / "models", artifacts / "trial", str(artifacts / "checkpoints")),
        is_stopping=lambda: False,
        on_loss=lambda failure, message: None,
    )
    store.end(outcome)
    return outcome, reader, trial_id


def test_a_trial_goes_through_its_slice_twice_and_is_scored_on_what_was_held_out(
    sweep: Path, sqlite_url: URL, tmp_path: Path
) -> None:
    outcome, reader, trial_id = run(sweep, sqlite_url, tmp_path / "artifacts")
    assert outcome is AttemptState.SUCCEEDED
    steps = reader.live_steps(trial_id, ["samples", "cumulative_samples", "prompt_tokens", "reward"])
    assert [(row["samples"], row["cumulative_samples"]) for row in steps] == [(4, 4), (4, 8), (4, 12), (4, 16)]
    # Eight prompts, twice in the same order.
    assert [row["prompt_tokens"] for row in steps[:2]] == [row["prompt_tokens"] for row in steps[2:]]
    assert all(0 <= row["reward"] <= 1 for row in steps)
    scores: list[Any] = reader.curve([trial_id])
    assert [(row["step"], row["problems"], row["samples_per_problem"]) for row in scores] == [(0, 4, 2), (4, 4, 2)]
    engine = open_database(sqlite_url, create=False)
    with engine.connect() as connection:
        sets = connection.execute(text("SELECT num_problems, unique_prompts, rows_read FROM data_set")).all()
        exposure = connection.execute(text("SELECT times_drawn, data_source FROM prompt_exposure")).all()
        verdicts = connection.execute(
            text("SELECT completions, trained_completions, unanswered_completions, reward_exceptions FROM live_step")
        ).all()
        costs = connection.execute(
            text("SELECT SUM(executed_flops / flops), MIN(executed_flops / flops) FROM step_phase WHERE flops > 0")
        ).one()
    engine.dispose()
    assert sorted(sets, key=str) == [(4, None, None), (8, 8, 25)]
    assert exposure == [(2, "math__made")] * 8
    assert verdicts == [(8, 8, 8, 0)] * 4  # a random policy puts nothing in a box
    assert costs[1] > 1, "what is padded costs more than what is needed"


def test_prompts_that_changed_since_the_trial_was_submitted_are_refused(
    sweep: Path, sqlite_url: URL, tmp_path: Path
) -> None:
    submitted = identified(load_sweep(sweep))
    write(tmp_path / "train.parquet", [(f"Another question, number {n}", "1", 0.1) for n in range(20)], "train")
    engine = open_database(sqlite_url, create=False)
    registration = register(engine, submitted)
    store = claim(engine, trial_id=registration.trial_ids[0], sweep_id=registration.sweep_id, process=this_process())
    with pytest.raises(SpecError, match=r"train\.parquet has changed since the trial was submitted"):
        run_trial(
            submitted.trials[0].spec,
            store=store,
            reader=Reader(engine),
            folders=Folders(tmp_path / "models", tmp_path / "trial", str(tmp_path / "checkpoints")),
            is_stopping=lambda: False,
            on_loss=lambda failure, message: None,
        )
    engine.dispose()
