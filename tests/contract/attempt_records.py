"""What a living attempt can say: one record of every type, in the order in which a trial would."""

from __future__ import annotations

from db.records import (
    AttemptEnd,
    AttemptRecord,
    CheckpointRecord,
    DataSetRecord,
    DeletedCheckpoint,
    LogPlace,
    ModelRecord,
    Phase,
    ProblemResult,
    Provenance,
    ResumePoint,
)
from db.states import AttemptState
from tests.records import evaluation, step

HELDOUT = DataSetRecord(
    "heldout", None, "d" * 64, num_problems=3, problem_sha256s=("1" * 64, "2" * 64, "3" * 64),
    problem_sources=("math__gsm8k", "math__gsm8k", "stem__web"),
)  # fmt: skip
RESULTS = (ProblemResult(0, probability=0.25), ProblemResult(1, probability=0.5), ProblemResult(2, probability=0.75))

STORY: tuple[AttemptRecord, ...] = (
    LogPlace("/logs/attempt-1.log"),
    Phase("preparing"),
    ModelRecord("m", 10, 12, nominal_params=11.0, source="org/m", revision="main", weights_sha256="a" * 64),
    Provenance(
        execution={"identity_version": 1, "cpus": 2}, execution_hash="v1:" + "b" * 64,
        engine="transformers", device="cpu", num_gpus=0.0, gpu_peak_flops=None, num_cpus=2, memory_bytes=1 << 33,
        git_revision="f" * 40,
        git_dirty=False, rlsweep_version="0.1.0", python_version="3.11.7", torch_version="2.11.0+cpu",
        transformers_version="5.10.4", trl_version="1.16.0", vllm_version=None, ray_version="2.60.0",
    ),
    DataSetRecord("d", "main", "c" * 64, num_problems=1000, unique_prompts=990),
    ResumePoint(0),
    HELDOUT,
    evaluation(0, 0.25, problems=3, data_set_sha256=HELDOUT.sha256, results=RESULTS),
    Phase("training"),
    step(1),
    evaluation(1, 0.5, problems=3, data_set_sha256=HELDOUT.sha256, results=RESULTS),
    CheckpointRecord(1, "/c1", 10, "e" * 64, is_milestone=False),
    step(2),
    evaluation(2, 0.5),
    CheckpointRecord(2, "/c2", 10, "e" * 64, is_milestone=True),
    DeletedCheckpoint("/c1", 2),
    AttemptEnd(AttemptState.SUCCEEDED, message="done"),
)  # fmt: skip

# The last of every type; the order is that of the story.
ONE_OF_EACH: dict[str, AttemptRecord] = {type(record).__name__: record for record in STORY}
