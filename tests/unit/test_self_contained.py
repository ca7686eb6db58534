"""A sweep file that is sent elsewhere has the same trials there, without the files and options it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.self_contained import self_contained

SHIPPED = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_sweep_is_the_same_when_it_is_read_again(file: Path, tmp_path: Path) -> None:
    loaded = load_sweep(file)
    sent = tmp_path / "sent.yaml"
    sent.write_text(self_contained(file, []))
    again = load_sweep(sent)
    assert [trial.spec for trial in again.trials] == [trial.spec for trial in loaded.trials]
    assert [trial.axes for trial in again.trials] == [trial.axes for trial in loaded.trials]
    assert again.sweep == loaded.sweep


def test_what_it_extends_what_is_set_and_where_models_are_go_with_it(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    shipped = next(file for file in SHIPPED if file.stem == "quickstart")
    (tmp_path / "here" / "base.yaml").write_text(shipped.read_text())
    (tmp_path / "here" / "child.yaml").write_text("extends: base.yaml\nname: child\n")
    loaded = load_sweep(tmp_path / "here" / "child.yaml", ["seed=[7]", "optimizer.learning_rate=1e-5"])
    text = self_contained(tmp_path / "here" / "child.yaml", loaded.overrides)
    (tmp_path / "here" / "base.yaml").unlink()
    (tmp_path / "sent.yaml").write_text(text)
    assert load_sweep(tmp_path / "sent.yaml").trials == loaded.trials
    assert "# --set seed=[7]" in text
    assert "# extends: base.yaml" in text
