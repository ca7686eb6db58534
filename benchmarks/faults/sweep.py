"""The sweep that is disturbed: short real trials, each on one core, with a checkpoint every few steps."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.command_line import CommandLine, tiny_folder

TRIALS, STEPS, CHECKPOINT_STEPS = 4, 70, 5
# Faults come thicker than any policy of a real sweep has to bear, several before a checkpoint at times.
_RETRY = "{died: {max: 50}, node_lost: {max: 50}, timeout: {max: 50}, environment: {max: 5}}"
_OVERRIDES = (
    "model=[small]",
    f"seed={list(range(1, TRIALS + 1))}",
    f"budgets.at=[{STEPS}]",
    f"checkpoints={{every_steps: {CHECKPOINT_STEPS}, keep: 1}}",
    f"retry={_RETRY}",
)
SUBMIT = ("submit", "tiny.yaml", *(word for each in _OVERRIDES for word in ("--set", each)))


def undisturbed(folder: Path, models: Path) -> CommandLine:
    """The sweep run to its end with nothing in its way."""
    folder.mkdir()
    models.mkdir()
    rlsweep = tiny_folder(folder, models)
    done = rlsweep.run(*SUBMIT)
    if done.returncode:
        raise RuntimeError(f"The undisturbed sweep ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return rlsweep
