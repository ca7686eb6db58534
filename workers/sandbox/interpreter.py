"""Which files a sandboxed interpreter sees: itself, its standard library and the system's shared libraries, read-only.

They appear under `/python`, so that the paths of the machine (which name its users) stay outside. Installed packages
are hidden: of the interpreter that this environment was made from, and of the system. The environment's own are never
there, nor is the project, nor anybody's home folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = "/python"
EXECUTABLE = f"{FOLDER}/bin/python3"
# No user's packages, no `site`, no path of the script, no bytecode written, UTF-8 everywhere. Not `-I`, which would
# ignore PYTHONHASHSEED as well; the environment is our own anyway.
OPTIONS = ("-s", "-S", "-P", "-B", "-X", "utf8")
_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
_PACKAGES = ("python3*/site-packages", "python3*/dist-packages")


@dataclass(frozen=True)
class View:
    """Read-only mounts as (path on the machine, path in the sandbox), and folders in the sandbox to cover.

    `folders` are what the mounts lie in, outermost first.
    """

    mounts: tuple[tuple[str, str], ...]
    covered: tuple[str, ...]

    @property
    def folders(self) -> list[str]:
        parents = {str(parent) for _, seen in self.mounts for parent in Path(seen).parents}
        return sorted(parents - {"/"} - {seen for _, seen in self.mounts})


@cache
def view() -> View:
    """What a sandbox made by this process sees."""
    prefix = Path(sys.base_prefix)
    folders = [(path, path) for path in _SYSTEM_LIBRARIES if os.path.exists(path)]
    folders += [(str(prefix / name), f"{FOLDER}/{name}") for name in ("lib", "lib64") if _own_folder(prefix / name)]
    covered = (
        os.path.join(seen, packages.relative_to(path))
        for path, seen in folders
        if os.path.isdir(path) and not os.path.islink(path)
        for pattern in _PACKAGES
        for packages in sorted(Path(path).glob(pattern))
    )
    return View(mounts=((base_executable(), EXECUTABLE), *folders), covered=tuple(covered))


def base_executable() -> str:
    """The interpreter itself, behind virtual environments and links."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def environment(*, home: str, libraries: str) -> Mapping[str, str]:
    """All of a program's environment: the same on every machine, hash seed included."""
    return {
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "LD_LIBRARY_PATH": libraries,
        "PYTHONHASHSEED": "0",
        # The C library reserves 64 MiB of address space for each thread's own heap otherwise.
        "MALLOC_ARENA_MAX": "1",
    }


def _own_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
