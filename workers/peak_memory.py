"""The most memory that this process has held: what a plan's figure is held against."""

from __future__ import annotations

import resource


def peak_memory_bytes() -> int:
    """Of its GPU, as torch's allocator reserved it, or of the host's memory for a process without one."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_reserved())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
