"""TensorBoard event files, written by PyTorch's and by TensorBoard's own writers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from db.errors import SpecError
from exchange.importing.imported_log import ImportedLog, read_logs
from exchange.importing.mapping import parse_request
from exchange.importing.tensorboard_events import read_tensorboard_folders

pytest.importorskip("tensorboard")


def write(
    folder: Path, rows: Iterable[tuple[int, dict[str, float]]], *, arguments: dict[str, object] | None = None
) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        if arguments is not None:
            writer.add_text("args", json.dumps(arguments))
        for step, metrics in rows:
            for name, value in metrics.items():
                writer.add_scalar(name, value, step)


def read(folder: Path, *sets: str, maps: tuple[str, ...] = ()) -> list[ImportedLog]:
    request = parse_request(maps, sets)
    return read_logs(read_tensorboard_folders([folder]), request)


def test_each_folder_is_a_run(tmp_path: Path) -> None:
    write(tmp_path / "a", [(1, {"train/reward": 0.25}), (2, {"train/reward": 0.5, "train/kl": float("nan")})])
    write(tmp_path / "b" / "deep", [(1, {"critic/rewards/mean": 0.75, "val-core/math/acc/mean@2": 0.5})])
    first, second = ([*log.runs][0] for log in read(tmp_path, "model=Q"))  # noqa: RUF015
    assert first.name == "a"
    assert [(step.step, step.reward, step.kl) for step in first.steps] == [(1, 0.25, None), (2, 0.5, None)]
    assert (second.name, second.steps[0].reward, second.evaluations[0].benchmark) == ("b/deep", 0.75, "math")


def test_a_folder_given_itself_is_named_like_it(tmp_path: Path) -> None:
    write(tmp_path / "run7", [(1, {"acc": 0.5})])
    (log,) = read(tmp_path / "run7", "model=Q", maps=("acc=score@math",))
    assert [run.name for run in log.runs] == ["run7"]


def test_arguments_of_transformers_describe_the_run(tmp_path: Path) -> None:
    arguments = {"seed": 5, "num_generations": 4, "learning_rate": 1e-6, "loss_type": "grpo", "beta": 0.0}
    write(tmp_path / "a", [(1, {"train/reward": 0.5})], arguments=arguments)
    (run,) = read(tmp_path, "model=Q")[0].runs
    assert (run.seed, run.group_size, run.algorithm, run.kl_coefficient) == (5, 4, "grpo", 0.0)


def test_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    write(tmp_path / "a", [(step, {"train/reward": 0.25}) for step in range(1, 6)])
    write(tmp_path / "a", [(step, {"train/reward": 0.5}) for step in (3, 4)])
    (log,) = read(tmp_path, "model=Q")
    (run,) = log.runs
    assert [(step.step, step.reward) for step in run.steps] == [(1, 0.25), (2, 0.25), (3, 0.5), (4, 0.5)]
    assert any("logged again" in note for note in log.notes)


def test_an_evaluation_that_comes_late_does_not_undo_the_steps_after_its_own(tmp_path: Path) -> None:
    rows = [(1, {"train/reward": 0.25}), (2, {"train/reward": 0.5}), (3, {"train/reward": 0.5}), (1, {"acc": 0.75})]
    write(tmp_path / "a", rows)
    (run,) = read(tmp_path, "model=Q", maps=("acc=score@math",))[0].runs
    assert [step.step for step in run.steps] == [1, 2, 3]
    assert [(each.step, each.score) for each in run.evaluations] == [(1, 0.75)]


def test_scalars_of_the_second_generation_are_read(tmp_path: Path) -> None:
    """There only a tag's first value says that it is a scalar."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.scalar.metadata import create_summary_metadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    writer = EventFileWriter(str(tmp_path / "a"))
    for step in (1, 2):
        value = Summary.Value(tag="train/reward", tensor=make_tensor_proto(0.5 * step, dtype="float32"))
        if step == 1:
            value.metadata.CopyFrom(create_summary_metadata("train/reward", ""))
        writer.add_event(Event(step=step, wall_time=step, summary=Summary(value=[value])))
    writer.close()
    (run,) = read(tmp_path, "model=Q")[0].runs
    assert [(step.step, step.reward) for step in run.steps] == [(1, 0.5), (2, 1.0)]


def test_a_folder_without_event_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="holds no event files"):
        read(tmp_path)


@pytest.mark.parametrize("lost", [1, 20])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, lost: int) -> None:
    write(tmp_path / "a", [(step, {"train/reward": 0.25}) for step in range(1, 6)])
    assert read(tmp_path, "model=Q")[0].notes == ()
    (file,) = (tmp_path / "a").iterdir()
    file.write_bytes(file.read_bytes()[:-lost])
    (log,) = read(tmp_path, "model=Q")
    assert [step.step for run in log.runs for step in run.steps] == [1, 2, 3, 4]
    assert log.notes == (f"{file.name} is cut off in the middle of a record: incomplete, or still written to.",)


@pytest.mark.parametrize(("value", "word"), [("inf", "infinite"), ("nan", "not a number")])
def test_what_is_no_measurement_is_missing_and_told(tmp_path: Path, value: str, word: str) -> None:
    write(tmp_path / "a", [(1, {"train/reward": 0.25, "train/kl": float(value)})])
    (log,) = read(tmp_path, "model=Q")
    assert log.notes == (f"step 1: train/kl is {word}, which is kept as missing",)
