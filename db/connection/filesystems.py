"""Whether a file lies where the processes of more than one host, or of a host and its guests, may see it.

SQLite's write-ahead log keeps its index in memory that is shared through the file `-shm`. On a network file system
each host has its own copy of that memory, and locks may or may not reach the others: the file is corrupted without
an error. So it is not asked whether a second host does use the file; that it could is enough.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

# Read over a network, or by the nodes of a cluster.
_NETWORK = {
    "nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "webdav", "coda", "ceph",
    "lustre", "beegfs", "glusterfs", "gpfs", "panfs", "wekafs", "orangefs", "pvfs2", "gfs2", "ocfs2",
}  # fmt: skip
# A folder of a virtual machine's host: the host and its other guests see it beside the machine's own kernel.
_SHARED_WITH_HOST = {"9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs"}
# Most of what runs in user space goes over a network, under any name; these keep to this host's disks.
_LOCAL_IN_USER_SPACE = {
    "fuse-overlayfs", "ntfs", "ntfs-3g", "exfat", "exfat-fuse", "ext2", "ext4", "fuse2fs", "zfs", "apfs", "encfs",
    "gocryptfs", "cryfs", "securefs", "mergerfs", "bindfs", "unionfs", "unionfs-fuse",
}  # fmt: skip


class Mount(Protocol):
    """A line of the mount table, as psutil gives it."""

    @property
    def mountpoint(self) -> str: ...

    @property
    def fstype(self) -> str: ...


def network_mount(path: Path) -> Mount | None:
    """The mount that `path` (which need not exist) lies on, if it is of a network or shared file system."""
    import psutil

    mount = mount_of(path, psutil.disk_partitions(all=True))
    return mount if mount is not None and is_shared(mount.fstype) else None


def mount_of(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """The mount with the longest mount point that holds `path`, links followed; of equals the last, which is on top."""
    target = Path(os.path.realpath(path))
    holding = [mount for mount in mounts if target.is_relative_to(mount.mountpoint)]
    return max(reversed(holding), key=lambda mount: len(Path(mount.mountpoint).parts), default=None)


def is_shared(kind: str) -> bool:
    """Whether other hosts may see what lies on a file system of this kind, as mount tables call it."""
    if kind == "fuse" or kind.startswith("fuse."):
        return kind.removeprefix("fuse.") not in _LOCAL_IN_USER_SPACE
    return kind in _NETWORK | _SHARED_WITH_HOST
