"""How often the kernel has killed for want of memory in the control group of this process."""

from __future__ import annotations

import re
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")


def oom_kills(mount: Path = _MOUNT, membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """The count so far, of version 2 or 1 of control groups; None where the kernel does not say."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            found = _count(mount / group.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            found = _count(mount / "memory" / group.lstrip("/") / "memory.oom_control")
        else:
            continue
        if found is not None:
            return found
    return None


def _count(file: Path) -> int | None:
    try:
        found = re.search(r"^oom_kill (\d+)$", file.read_text(), re.MULTILINE)
    except OSError:  # not mounted, or the root group, which counts nothing
        return None
    return int(found[1]) if found else None
