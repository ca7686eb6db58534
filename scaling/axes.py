"""The x-axes that a law can be over: how the command line calls them, their units, the columns they are read from."""

from typing import Literal

XKind = Literal["samples", "flops", "paper_flops", "tokens", "steps", "gpu_hours"]
# As `rlsweep fit --x` calls them.
X_OPTION: dict[str, str] = {
    "samples": "data", "flops": "compute", "paper_flops": "paper-compute", "tokens": "tokens", "steps": "steps",
    "gpu_hours": "gpu-hours",
}  # fmt: skip
X_UNIT: dict[str, str] = {
    "samples": "prompts", "flops": "FLOPs", "paper_flops": "FLOPs as the paper counts", "tokens": "tokens",
    "steps": "steps", "gpu_hours": "GPU-hours",
}  # fmt: skip
X_COLUMN: dict[str, str] = {kind: "step" if kind == "steps" else kind for kind in X_OPTION}
BUDGETS = ("flops", "paper_flops", "gpu_hours")  # axes on which sizes cost differently
