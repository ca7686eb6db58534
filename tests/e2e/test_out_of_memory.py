"""A trial that runs out of GPU memory takes a smaller micro-batch, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command_line import tiny_folder

# Python runs this in every process at its start. In the trial's own it puts a limit where a GPU would have one: on the
# sequences that are trained on at once. torch raises the same error there.
FAULT = """
import sys
if any("workers.attempt" in argument for argument in sys.orig_argv):
    import torch
    look_up = torch.nn.functional.embedding
    def limited(input, *arguments, **options):
        if torch.is_grad_enabled() and input.dim() == 2 and input.shape[0] > 8:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {input.shape[0]} sequences")
        return look_up(input, *arguments, **options)
    torch.nn.functional.embedding = limited
"""
SUBMIT = ("submit", "tiny.yaml", "--set", "model=[small]", "--set", "seed=[1]")


def test_the_micro_batch_is_halved_until_it_fits(
    tmp_path: Path, made_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rlsweep = tiny_folder(tmp_path, made_models)
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "sitecustomize.py").write_text(FAULT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fault"))
    done = rlsweep.run(*SUBMIT, "--set", "budgets.at=[4]")
    assert done.returncode == 0, done.stdout + done.stderr
    attempts = rlsweep.rows("SELECT state, failure_class, json_extract(execution, '$.micro_batch') FROM attempt")
    assert attempts == [
        ("failed", "gpu_memory", None),  # all 32 completions of an update
        ("failed", "gpu_memory", 16),
        ("succeeded", None, 8),
    ]
    assert rlsweep.rows("SELECT step FROM live_step ORDER BY step") == [(1,), (2,), (3,), (4,)]
