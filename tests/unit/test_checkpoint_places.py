"""A checkpoint is whole or it is not one, in a folder and in a store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from db.errors import CheckpointError, EnvironmentProblem
from db.reader import LiveCheckpoint
from tests.checkpoint_places import FILES, FailingStore, progress_at, save, stage
from workers.checkpointing.resuming import newest_whole
from workers.checkpointing.saving import (
    SealedCheckpoint,
    checkpoints_in,
    delete_checkpoint,
    fetch_checkpoint,
    is_complete,
    is_url,
    name_of,
    save_checkpoint,
    verify_checkpoint,
)

MEMORY = "memory://checkpoints/trials/v1-0/checkpoints"


@pytest.fixture(params=["folder", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a trial's checkpoints go: a folder, a store of files, or one in memory."""
    if request.param == "memory":
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]
        return MEMORY
    folder = f"{tmp_path}/artifacts/trials/v1-0/checkpoints"
    return folder if request.param == "folder" else f"file://{folder}"


def files_of(uri: str) -> tuple[Any, str]:
    """The file system that a checkpoint is in, and its path there."""
    return fsspec.core.url_to_fs(uri if is_url(uri) else f"file://{uri}")


def alter(uri: str, name: str, change: Callable[[bytes], bytes | None]) -> None:
    files, root = files_of(uri)
    content = change(files.cat_file(f"{root}/{name}") if files.exists(f"{root}/{name}") else b"")
    if content is None:
        files.rm_file(f"{root}/{name}")
    else:
        files.pipe_file(f"{root}/{name}", content)


def as_recorded(*sealed: SealedCheckpoint) -> list[LiveCheckpoint]:
    """As the database knows them, the newest first."""
    steps = [(int(each.uri.split("step-")[1][:6]), each) for each in sealed]
    return [LiveCheckpoint(step, each.uri, each.manifest_sha256, False) for step, each in sorted(steps)[::-1]]


ALTERATIONS: dict[str, tuple[str, Callable[[bytes], bytes | None], str]] = {
    "truncated by a byte": ("model.safetensors", lambda content: content[:-1], "255 bytes in place of 256"),
    "a byte longer": ("model.safetensors", lambda content: content + b"0", "257 bytes in place of 256"),
    "altered by a byte": (
        "model.safetensors", lambda content: content[:-1] + bytes([content[-1] ^ 1]), "model.safetensors is altered",
    ),
    "altered progress": (
        "progress.json", lambda content: content.replace(b'"step": 4', b'"step": 5'), "progress.json is altered",
    ),
    "a file missing": ("shard/state.json", lambda _: None, "lacks its file shard/state.json"),
    "a file too many": ("shard/optimizer.pt", lambda _: b"moments", "shard/optimizer.pt, which is none of its files"),
    "no manifest": ("manifest.json", lambda _: None, "never completed or is partly deleted"),
    "an altered manifest": ("manifest.json", lambda content: content + b" ", "manifest.json is altered"),
    "a manifest that fits altered files": (
        "manifest.json",
        lambda content: json.dumps(json.loads(content) | {"sha256": {}}).encode(),
        "not the one that was recorded",
    ),
}  # fmt: skip


def test_a_checkpoint_comes_back_as_it_was_saved(place: str, tmp_path: Path) -> None:
    sealed = save(place, 40, staging=tmp_path / "staging")
    assert verify_checkpoint(sealed.uri, sealed.manifest_sha256) == progress_at(40)
    progress, folder = fetch_checkpoint(sealed.uri, sealed.manifest_sha256, into=tmp_path / "fetched")
    assert progress == progress_at(40)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert sealed.num_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert not list((tmp_path / "staging").iterdir())


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_checkpoint_is_refused_and_the_one_before_is_used(
    place: str, alteration: str, tmp_path: Path
) -> None:
    name, change, reason = ALTERATIONS[alteration]
    before, newest = (save(place, step, staging=tmp_path / "staging") for step in (20, 40))
    alter(newest.uri, name, change)
    with pytest.raises(CheckpointError, match=reason):
        verify_checkpoint(newest.uri, newest.manifest_sha256)
    said: list[str] = []
    found = newest_whole(as_recorded(before, newest), fetched=tmp_path / "fetched", say=said.append)
    assert found.progress == progress_at(20)
    assert found.folder is not None
    assert (found.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert [each.uri for each in found.saved] == [before.uri]
    assert len(said) == 1
    assert said[0].startswith("Not resuming from step 40: ")


def test_without_a_whole_checkpoint_a_trial_starts_from_the_base(place: str, tmp_path: Path) -> None:
    only = save(place, 20, staging=tmp_path / "staging")
    delete_checkpoint(only.uri)
    found = newest_whole(as_recorded(only), fetched=tmp_path / "fetched", say=lambda _: None)
    assert (found.progress.step, found.folder, found.saved) == (0, None, ())


def test_deleting_leaves_nothing_and_may_be_repeated(place: str, tmp_path: Path) -> None:
    kept, sealed = (save(place, step, staging=tmp_path / "staging") for step in (20, 40))
    assert checkpoints_in(place) == [kept.uri, sealed.uri]
    for _ in range(2):  # the second time is after a crash between deleting and recording it
        delete_checkpoint(sealed.uri)
        assert not is_complete(sealed.uri)
        assert checkpoints_in(place) == [kept.uri]
    assert is_complete(kept.uri)


def test_a_checkpoint_takes_the_place_of_one_that_was_never_recorded(place: str, tmp_path: Path) -> None:
    unknown = save(place, 40, staging=tmp_path / "staging")
    alter(unknown.uri, "stranger.json", lambda _: b"{}")
    again = save(place, 40, staging=tmp_path / "staging")
    assert verify_checkpoint(again.uri, again.manifest_sha256) == progress_at(40)


def test_a_place_that_is_not_there_holds_nothing(place: str) -> None:
    assert checkpoints_in(place) == []


def test_only_names_that_are_given_to_checkpoints_are_theirs() -> None:
    assert name_of("s3://bucket/trials/v1-0/checkpoints/step-000040-attempt-2") == "step-000040-attempt-2"
    assert [name_of(uri) for uri in ("/", "/home", "/x/step-4", "/x/step-000040-attempt-2.old")] == [None] * 4


def test_a_checkpoint_of_version_0_1_is_still_verified(tmp_path: Path) -> None:
    sealed = save(str(tmp_path / "checkpoints"), 40, staging=tmp_path / "staging")
    manifest = Path(sealed.uri) / "manifest.json"
    content = json.loads(manifest.read_bytes())
    del content["bytes"]
    manifest.write_text(json.dumps(content, indent=1))
    from workers.files import sha256_of

    assert verify_checkpoint(sealed.uri, sha256_of(manifest)) == progress_at(40)
    alter(sealed.uri, "model.safetensors", lambda content: content[:-1])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is altered"):
        verify_checkpoint(sealed.uri, sha256_of(manifest))


@pytest.fixture
def failing() -> str:
    """A place in a store that fails as the test tells it."""
    fsspec.register_implementation("failing", FailingStore, clobber=True)
    FailingStore.store.clear()
    FailingStore.pseudo_dirs[:] = [""]
    FailingStore.files_taken, FailingStore.drops_bytes = 1000, 0
    return "failing://checkpoints"


@pytest.mark.parametrize("files_taken", range(len(FILES) + 2))  # progress.json and the manifest come to them
def test_an_upload_that_fails_is_no_checkpoint_and_leaves_the_one_before(
    failing: str, files_taken: int, tmp_path: Path
) -> None:
    before = save(failing, 20, staging=tmp_path / "staging")
    FailingStore.files_taken = files_taken
    with pytest.raises(EnvironmentProblem, match="the connection was reset"):
        save(failing, 40, staging=tmp_path / "staging")
    assert checkpoints_in(failing) == [before.uri], "what was uploaded is deleted"
    assert verify_checkpoint(before.uri, before.manifest_sha256) == progress_at(20)
    assert not list((tmp_path / "staging").iterdir())


def test_a_store_that_keeps_less_than_it_was_sent_is_found_out(failing: str, tmp_path: Path) -> None:
    FailingStore.drops_bytes = 1
    with pytest.raises(EnvironmentProblem, match="kept 255 of the 256 bytes of"):
        save(failing, 40, staging=tmp_path / "staging")
    assert checkpoints_in(failing) == []


def test_a_store_that_does_not_answer_is_no_reason_to_go_back(failing: str, tmp_path: Path) -> None:
    before, newest = (save(failing, step, staging=tmp_path / "staging") for step in (20, 40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FailingStore, "cat_file", _no_answer)
        with pytest.raises(EnvironmentProblem, match="no answer"):
            newest_whole(as_recorded(before, newest), fetched=tmp_path / "fetched", say=lambda _: None)


def _no_answer(*_: object) -> bytes:
    raise TimeoutError("no answer")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://key:secret@bucket/x", "holds a password"),
        ("nowhere://bucket/x", "Protocol not known"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_a_password(url: str, reason: str) -> None:
    from workers.checkpointing.objects import check_url

    with pytest.raises(EnvironmentProblem, match=reason) as refused:
        check_url(url)
    assert "secret" not in str(refused.value)


def test_what_is_never_loaded_is_not_saved(tmp_path: Path) -> None:
    staged = stage(tmp_path / "staged", {**FILES, "training_args.bin": b"a pickle"})
    sealed = save_checkpoint(staged, str(tmp_path / "step-000040-attempt-1"), progress_at(40))
    assert not (Path(sealed.uri) / "training_args.bin").exists()
