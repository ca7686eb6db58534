"""Checkpoints in an object store, or wherever else fsspec writes: `s3://`, `gs://`, `abfs://`, `memory://`, `file://`.

A store has no rename. The files are uploaded first, each is asked for its size, and the manifest is uploaded last:
that is the completion mark, so half an upload is no checkpoint. Contents are not believed for having been uploaded:
a checkpoint is downloaded and hashed before a trial goes on from it.

Credentials come from the environment or from files, as each store's driver reads them, never from a URL: URLs are
recorded.
"""

from __future__ import annotations

import base64
import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from db.errors import CheckpointError, EnvironmentProblem, RlsweepError
from workers.checkpointing.folders import files_in, read_progress
from workers.checkpointing.manifest import MANIFEST, PROGRESS, no_manifest, read_manifest
from workers.milestones import Progress

# Where a file needs its folder made first. Elsewhere a path is only a name, and to make one may be to make a bucket.
_WITH_FOLDERS = ("file", "local", "sftp", "ssh", "smb", "hdfs", "webhdfs", "webdav")


def upload(completed: Path, url: str) -> None:
    """Copy a completed folder into the store, its manifest last. EnvironmentProblem if the store does not take it.

    What was uploaded of one that failed is deleted, if the store still answers.
    """
    with _explaining("write", url):
        files, root = _store(url)
        _delete(files, root)  # left by an attempt whose record of it never reached the database
        try:
            names = [name for name in files_in(completed) if name != MANIFEST]
            for name in names:
                _upload_file(files, completed / name, f"{root}/{name}")
            _upload_mark(files, completed / MANIFEST, f"{root}/{MANIFEST}")
        except BaseException:
            # The first error is the one to tell; what stays is no checkpoint, and `rlsweep checkpoint gc` finds it.
            with suppress(Exception):
                _delete(files, root)
            raise


def download(url: str, into: Path, *, manifest_sha256: str) -> None:
    """Copy a checkpoint's files to a new folder; they are yet to be verified. CheckpointError if some are not there."""
    with _explaining("read", url):
        files, root = _store(url)
        content = _manifest_content(files, root, url)
        manifest = read_manifest(url, content, sha256=manifest_sha256)
        manifest.check_names(url, _sizes(files, root))
        for name in manifest.sha256:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            files.get_file(f"{root}/{name}", str(into / name))
        (into / MANIFEST).write_bytes(content)


def verify(url: str, manifest_sha256: str) -> Progress:
    """As `folders.verify`: reads every byte of the checkpoint, and keeps none."""
    with _explaining("read", url):
        files, root = _store(url)
        manifest = read_manifest(url, _manifest_content(files, root, url), sha256=manifest_sha256)
        sizes = _sizes(files, root)
        manifest.check_names(url, sizes)
        for name in manifest.sha256:
            manifest.check_size(url, name, sizes[name])
        for name in manifest.sha256:
            with files.open(f"{root}/{name}", "rb") as file:
                manifest.check_hash(url, name, hashlib.file_digest(file, "sha256").hexdigest())
        return read_progress(url, files.cat_file(f"{root}/{PROGRESS}"))


def is_complete(url: str) -> bool:
    """As `folders.is_complete`."""
    with _explaining("read", url):
        files, root = _store(url)
        return bool(files.exists(f"{root}/{MANIFEST}"))


def delete(url: str) -> None:
    """Delete a checkpoint, or what is left of it, the manifest first."""
    with _explaining("delete", url):
        _delete(*_store(url))


def checkpoints_in(url: str) -> list[str]:
    """What lies in a trial's place for checkpoints: checkpoints, and what is left of some."""
    with _explaining("list", url):
        files, root = _store(url)
        within = {path.removeprefix(f"{root}/").split("/")[0] for path in _found(files, root)}
        return [f"{url}/{name}" for name in sorted(within)]


def check_url(url: str) -> None:
    """Raise EnvironmentProblem if there is no driver for the store, or the URL holds a password."""
    authority = url.split("://", 1)[1].split("/", 1)[0]
    if "@" in authority and ":" in authority.split("@", 1)[0]:
        raise EnvironmentProblem("The URL of a place for checkpoints holds a password; give it in the environment.")
    with _explaining("use", url):
        _store(url)


def _store(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    files, root = url_to_fs(url)
    files.invalidate_cache()  # others write too
    return files, str(root).rstrip("/")


def _upload_file(files: Any, source: Path, target: str) -> None:
    if _has_folders(files):
        files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
    files.put_file(str(source), target)
    kept = files.info(target)
    size = source.stat().st_size
    if kept["size"] != size:
        raise EnvironmentProblem(f"The store kept {kept['size']:,} of the {size:,} bytes of {target}; try again.")
    md5 = _md5_of(kept)
    if md5 is not None and md5 != _md5(source):
        raise EnvironmentProblem(f"The store kept other bytes of {target} than it was sent; try again.")


def _upload_mark(files: Any, source: Path, target: str) -> None:
    """A store shows a file once it has all of it; a file system shows half of one, so there it is renamed."""
    if not _has_folders(files):
        _upload_file(files, source, target)
        return
    _upload_file(files, source, f"{target}.part")
    files.mv(f"{target}.part", target)


def _md5_of(kept: dict[str, Any]) -> bytes | None:
    """The MD5 that a store gives of a file. An ETag is none where a file came in parts or is encrypted: not used."""
    settings = kept.get("content_settings") or {}
    given = kept.get("md5Hash") or (settings.get("content_md5") if isinstance(settings, dict) else None)
    return base64.b64decode(given) if isinstance(given, str) else bytes(given) if given else None


def _md5(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()


def _manifest_content(files: Any, root: str, url: str) -> bytes:
    try:
        return bytes(files.cat_file(f"{root}/{MANIFEST}"))
    except FileNotFoundError:
        raise no_manifest(url) from None


def _sizes(files: Any, root: str) -> dict[str, int]:
    """Size of every file below `root`, by its path in it."""
    return {path.removeprefix(f"{root}/"): int(kept["size"]) for path, kept in _found(files, root).items()}


def _found(files: Any, root: str) -> dict[str, Any]:
    found: dict[str, Any] = files.find(root, detail=True)
    return {path: kept for path, kept in found.items() if path.startswith(f"{root}/")}


def _delete(files: Any, root: str) -> None:
    with suppress(FileNotFoundError):
        files.rm_file(f"{root}/{MANIFEST}")
    with suppress(FileNotFoundError):
        files.rm(root, recursive=True)


def _has_folders(files: Any) -> bool:
    protocols = (files.protocol,) if isinstance(files.protocol, str) else files.protocol
    return bool(set(protocols) & set(_WITH_FOLDERS))


@contextmanager
def _explaining(what: str, url: str) -> Iterator[None]:
    """A store that does not answer is the environment's fault, not the checkpoint's: an older one is no better."""
    try:
        yield
    except RlsweepError:
        raise
    except ImportError as error:
        raise EnvironmentProblem(f"{url} needs a package that is not installed: {error}") from error
    except FileNotFoundError as error:
        if what != "read":
            raise EnvironmentProblem(f"Cannot {what} {url}: {error} is not there.") from error
        raise CheckpointError(f"Checkpoint {url} lacks a file: {error}") from error
    except Exception as error:  # every driver has its own kinds
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EnvironmentProblem(f"Cannot {what} {url}: {reason}") from error
