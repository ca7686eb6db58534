"""Whether this version can do all that a sweep file asks for; `plan` needs no such thing, `submit` does."""

from __future__ import annotations

from db.errors import SpecError
from orchestrator.sweepfile.loading import LoadedSweep
from workers.unsupported import unsupported


def check_runnable(loaded: LoadedSweep) -> None:
    """Raise SpecError with everything that would otherwise be passed over in silence."""
    reasons = dict.fromkeys(reason for trial in loaded.trials for reason in unsupported(trial.spec))
    reasons |= dict.fromkeys(_sections(loaded))
    if reasons:
        listed = "\n".join(f"  {reason}" for reason in reasons)
        raise SpecError(f"{loaded.source.name} asks for what this version cannot run; `rlsweep plan` can:\n{listed}")


def _sections(loaded: LoadedSweep) -> list[str]:
    limits = loaded.sweep.limits
    unkept = [name for name in ("gpu_hours", "flops", "cost") if getattr(limits, name) is not None]
    reasons = [f"limits.{name} ({getattr(limits, name):g}) is not watched over by this version" for name in unkept]
    if "retry" in loaded.sweep.model_fields_set:
        reasons.append("retry is not followed by this version: a failed trial waits for the next submit")
    return reasons
