"""Where an SQLite file may not lie: what the mount table says of its path, and which file systems are shared."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from db.connection.filesystems import is_shared, mount_of, network_mount
from db.database import open_database, resolve_url
from db.errors import DatabaseError


class Mounted(NamedTuple):
    """A line of a mount table."""

    mountpoint: str
    fstype: str


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "beegfs", "gpfs", "afs", "virtiofs", "fuse", "fuse.sshfs",
     "fuse.glusterfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.juicefs", "fuse.a-new-one"],
)  # fmt: skip
def test_what_other_hosts_may_see_is_shared(kind: str) -> None:
    assert is_shared(kind)


@pytest.mark.parametrize(
    "kind",
    ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "fuseblk", "fuse.fuse-overlayfs", "fuse.gocryptfs", ""],
)  # fmt: skip
def test_a_disk_of_this_host_is_not_shared(kind: str) -> None:
    assert not is_shared(kind)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/a.db", "ext4"),
        ("/team/a.db", "nfs4"),
        ("/team/not/there/yet/a.db", "nfs4"),
        ("/teams/a.db", "ext4"),
        ("/team/scratch/a.db", "xfs"),
        ("/team/scratch/../a.db", "nfs4"),
        ("/auto/home/a.db", "nfs"),
    ],
)
def test_the_nearest_mount_above_counts_and_the_last_of_equals(path: str, kind: str) -> None:
    mounts = [
        Mounted("/team/scratch", "xfs"),
        Mounted("/", "rootfs"),
        Mounted("/", "ext4"),
        Mounted("/team", "nfs4"),
        Mounted("/auto/home", "autofs"),
        Mounted("/auto/home", "nfs"),
    ]
    mount = mount_of(Path(path), mounts)
    assert mount is not None
    assert mount.fstype == kind


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "team")
    mount = mount_of(tmp_path / "link" / "a.db", [Mounted("/", "ext4"), Mounted(str(tmp_path / "team"), "nfs")])
    assert mount is not None
    assert mount.fstype == "nfs"


def test_this_hosts_own_mount_table_is_understood(tmp_path: Path) -> None:
    assert mount_of(tmp_path, psutil.disk_partitions(all=True)) is not None
    assert network_mount(tmp_path) is None


@pytest.mark.parametrize("is_there", [True, False])
def test_a_database_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    url = resolve_url(str(tmp_path / "a.db"))
    if is_there:
        open_database(url).dispose()
    table = [*psutil.disk_partitions(all=True), Mounted(str(tmp_path), "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: table)
    with pytest.raises(DatabaseError, match=rf"\(nfs4, mounted at {tmp_path}\).*write-ahead log.*use PostgreSQL"):
        open_database(url)
    assert (tmp_path / "a.db").exists() == is_there
