"""Where a trial's base model comes from: a folder, the Hugging Face hub, or a cache of models made here.

A made model is stored once per machine under a hash of everything that decides its weights, so trials that share
it never make it twice and a changed specification never finds an old one. A folder appears under its final name
only when it is complete; it is verified against its manifest at each use and made again if it was altered.

The hash leaves out the version of torch: the same folder serves after an upgrade, and the manifest says which
version made it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from db.errors import EnvironmentProblem, SpecError
from workers.files import flush, sha256_of
from workers.models.base_model import OnProgress, WarmUpResult, make_base_model
from workers.models.weights import files_sha256, weights_sha256
from workers.spec import Data, MadeModel, Model
from workers.tasks import Task, load_task

RECIPE = 1  # raise it when the code of the making changes the weights that a specification gives
MANIFEST = "manifest.json"
HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer*", "*.model"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BaseModel:
    """A base model on this machine. `warm_up` is None for a model that was not made here.

    `num_params` counts without, `num_total_params` with the embeddings (tied ones once). `weights_sha256` covers
    names and contents of all safetensors files.
    """

    folder: Path
    num_params: int
    num_total_params: int
    weights_sha256: str
    warm_up: WarmUpResult | None


def prepare_base_model(
    model: Model, data: Data, *, seed: int, models_folder: Path, on_progress: OnProgress | None = None
) -> BaseModel:
    """The model's folder, made or downloaded if need be; a second call finds it there and does no work.

    `seed` matters to made models only. Of several processes that ask for one model at once, one makes it and the
    others wait. Raises EnvironmentProblem where folder, hub or weights cannot be had, and RlsweepError where the
    warm-up misses its stopping score.
    """
    if model.made is None:
        folder = _source_folder(model)
        _refuse_other_files(model, folder)
        return _describe(folder, model.name, warm_up=None)
    task = load_task(data)
    identity = _identity(model.made, data, task, seed)
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", model.name)
    folder = models_folder / f"{stem}-{digest[:12]}"
    with _locked(folder):
        warm_up = _stored_warm_up(folder)
        if warm_up is None:
            warm_up = _make(model, task, identity, seed=seed, folder=folder, on_progress=on_progress)
    return _describe(folder, model.name, warm_up=warm_up)


def _identity(made: MadeModel, data: Data, task: Task, seed: int) -> dict[str, Any]:
    """All that decides the weights. The size of the held-out set does not, so it is left out."""
    return {
        "recipe": RECIPE,
        "made": made.model_dump(mode="json"),
        "task": data.task,
        "task_sha256": task.sha256,
        "seed": seed,
    }


def _make(
    model: Model, task: Task, identity: dict[str, Any], *, seed: int, folder: Path, on_progress: OnProgress | None
) -> WarmUpResult:
    """Make the model beside `folder`, then move it there in one step."""
    import torch
    import transformers

    assert model.made is not None
    staging = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        warm_up = make_base_model(model.made, task, name=model.name, seed=seed, folder=staging, on_progress=on_progress)
        manifest = {
            "identity": identity,
            "warm_up": asdict(warm_up),
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
            "files": {path.name: sha256_of(path) for path in sorted(staging.iterdir())},
        }
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for path in [*staging.iterdir(), staging]:
            flush(path)
        if folder.exists():
            shutil.rmtree(folder)
        staging.rename(folder)
        flush(folder.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return warm_up


def _stored_warm_up(folder: Path) -> WarmUpResult | None:
    """The record of a folder that is as it was written, else None, with the reason in the log."""
    if not folder.exists():
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, sha256 in manifest["files"].items():
            if sha256_of(folder / name) != sha256:
                raise ValueError(f"{name} differs from its manifest")
        return WarmUpResult(**manifest["warm_up"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("base model %s is incomplete or altered (%s): making it again", folder, error)
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the model's lock file; the kernel lets go of it if this process dies."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = (folder.parent / f"{folder.name}.lock").open("w")
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write to the models folder {folder.parent} ({error}): make it writable or choose another"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _refuse_other_files(model: Model, folder: Path) -> None:
    if model.files_sha256 not in (None, files_sha256(folder)):
        raise SpecError(
            f"the configuration, tokenizer or chat template in {model.source} are not those that this trial was "
            "submitted with; put them back, or submit the sweep again to have a trial of the new ones"
        )


def _source_folder(model: Model) -> Path:
    """A local folder as it is, else the hub's snapshot of the revision."""
    name, source, revision = model.name, model.source, model.revision
    if model.folder is not None:
        if not model.folder.is_dir():
            raise EnvironmentProblem(f"model {name!r}: there is no folder {source!r}; correct `source`")
        return model.folder
    assert source is not None

    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=HUB_FILES))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise EnvironmentProblem(
            f"model {name!r}: cannot fetch {source!r} (revision {revision or 'main'}) from the Hugging Face hub: "
            f"{reason}. Check the name and the network, or set `source` to a folder that holds the model"
        ) from error


def _describe(folder: Path, name: str, *, warm_up: WarmUpResult | None) -> BaseModel:
    """Count parameters from the configuration alone and hash the weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sha256 = weights_sha256(folder, name=name)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    num_params, num_total_params = count_parameters(model)
    return BaseModel(folder, num_params, num_total_params, sha256, warm_up)


def count_parameters(model: Any) -> tuple[int, int]:
    """Parameters of a causal language model without and with its token embeddings, input and output."""
    total = sum(parameter.numel() for parameter in model.parameters())
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    embeddings = {id(end.weight): end.weight.numel() for end in ends}
    return total - sum(embeddings.values()), total
