"""Fixtures that several kinds of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from db.database import open_database, resolve_url

TINY_SWEEP = """
name: tiny
question: Does it run?
caveats: [Too small to mean anything.]
models:
  small:
    made: &made
      hidden_size: 32
      intermediate_size: 64
      num_hidden_layers: 1
      num_attention_heads: 1
      num_key_value_heads: 1
      warm_up: {learning_rate: 0.004, stop_at_validation_score: 0.21, batch_size: 128, check_every_steps: 10}
  large:
    made: {<<: *made, hidden_size: 64, intermediate_size: 128, num_attention_heads: 2}
base:
  data: {task: affine-lookup, heldout_problems: 60}
  prompts_per_step: 8
  group_size: 4
  optimizer: {learning_rate: 0.001}
  generation: {engine: transformers, max_completion_tokens: 4}
axes:
  grid:
    model: [small, large]
    seed: [1, 2]
budgets: {unit: steps, at: [4, 8]}
evaluations: [{benchmark: heldout, at: every_step}]
checkpoints: {every_steps: 3, keep: 1}
resources: {memory_gb: 1}
fit: {scope: inter-model, x: data}
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    """A new SQLite database with the newest tables."""
    engine = open_database(resolve_url(str(tmp_path / "rlsweep.db")))
    yield engine
    engine.dispose()


@pytest.fixture
def tiny_sweep(tmp_path: Path) -> Path:
    """A sweep file of four trials that train in seconds."""
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY_SWEEP)
    return file
