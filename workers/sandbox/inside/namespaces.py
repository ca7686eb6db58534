"""Makes a sandbox out of namespaces, then becomes the command that shall run in it: what `bwrap` does, through ctypes.

Three processes come of it: this one, which waits; the first process of the new process table, which waits too, and
whose end is the end of all others; and the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

# Types for the checker of types alone: `typing` would make every start of a sandbox a third slower.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
# The same on every architecture that there is a filter for, but for pivot_root.
_SYS_MOUNT_SETATTR = 442
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
# Where the new root is put together: a folder that every machine has and nothing is mounted from.
_ROOT = "/proc"
_USER_INSIDE = 1000
# An empty file costs memory that a size limit does not count.
_MOST_FILES = 4096

_libc = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def enter(
    *,
    as_root: bool,
    mounts: Sequence[tuple[str, str]],
    folders: Sequence[str],
    covered: Sequence[str],
    devices: Sequence[str],
    file_bytes: int,
    filter_program: bytes,
) -> NoReturn:
    """Make the sandbox and run the command that stands after the payload's descriptor on the command line."""
    user, group = os.geteuid(), os.getegid()
    _die_with_parent()
    namespaces = _CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWPID | _CLONE_NEWNET
    _check(_libc.unshare(namespaces | (0 if as_root else _CLONE_NEWUSER)))
    if not as_root:
        _map_user(user, group)
    _wait_in_parent()
    _die_with_parent()
    _check(_libc.sethostname(b"sandbox", 7))
    _make_root(mounts, folders, covered, devices, file_bytes)
    _wait_in_parent()
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    loaded = _Filter(len(filter_program) // 8, filter_program)
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(loaded), 0, 0))
    command = sys.argv[2:]
    os.execv(command[0], command)  # noqa: S606  it is our own interpreter


def _die_with_parent() -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def _wait_in_parent() -> None:
    """Return in a child; the parent waits without any of the files that were handed on, and ends as the child does."""
    child = os.fork()
    if not child:
        return
    os.closerange(3, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") > 0 else 2**16)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(128 - code if code < 0 else code)


def _map_user(user: int, group: int) -> None:
    for file, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{_USER_INSIDE} {user} 1"),
        ("gid_map", f"{_USER_INSIDE} {group} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as opened:
            opened.write(line)


def _make_root(
    mounts: Sequence[tuple[str, str]],
    folders: Sequence[str],
    covered: Sequence[str],
    devices: Sequence[str],
    file_bytes: int,
) -> None:
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount_memory(_ROOT, "size=1m,mode=0755")
    for folder in (*folders, "/dev", "/tmp"):  # noqa: S108  the sandbox's own
        os.makedirs(_ROOT + folder, mode=0o755, exist_ok=True)
    for path, seen in mounts:
        _bind(path, _ROOT + seen)
        _protect(_ROOT + seen, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV)
    for folder in covered:
        _mount_memory(_ROOT + folder, "size=4k,nr_inodes=2,mode=0755")
        _protect(_ROOT + folder, _ATTR_RDONLY)
    for device in devices:
        _bind(device, _ROOT + device)
    _mount_memory(f"{_ROOT}/tmp", f"size={file_bytes},nr_inodes={_MOST_FILES},mode=1777")  # noqa: S108
    os.chdir(_ROOT)
    _check(_libc.syscall(_SYS_PIVOT_ROOT[os.uname().machine], b".", b"."))
    _check(_libc.umount2(b".", _MNT_DETACH))
    _protect("/", _ATTR_RDONLY, recursive=False)
    os.chdir("/tmp")  # noqa: S108


def _bind(path: str, target: str) -> None:
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    _mount(path, target, None, _MS_BIND | _MS_REC)


def _mount_memory(target: str, options: str) -> None:
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind)]
    _check(_libc.mount(*texts, ctypes.c_ulong(flags), options.encode()), target)


def _protect(target: str, attributes: int, *, recursive: bool = True) -> None:
    """Also what is mounted below, as the driver's libraries are in many containers."""
    settings = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    _check(
        _libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode(), flags, settings, ctypes.sizeof(settings)), target
    )


def _check(result: int, what: str = "") -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what or None)
