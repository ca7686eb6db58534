"""Which files are meant: a file, a folder, a hub data set; and what is said where it is not clear."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from db.errors import EnvironmentProblem, SpecError
from workers.prompts.source import PromptSource, find_files

REVISION = "c" * 40
HUB_FILES = {
    "easy-to-hard/maths_train_3.parquet": b"training rows",
    "easy-to-hard/maths_test_2.parquet": b"held-out rows",
    "slices/maths_1_4.parquet": b"a slice",
    "README.md": b"a card",
}


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(source: PromptSource, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_files(source)]


def test_a_file_is_itself(tmp_path: Path) -> None:
    folder_of(tmp_path, "rows.parquet", "rows_train.parquet")
    assert found(PromptSource(str(tmp_path / "rows.parquet")), tmp_path) == ["rows.parquet"]


@pytest.mark.parametrize(
    ("names", "file", "expected"),
    [
        (["anything.parquet", "notes.txt"], None, ["anything.parquet"]),
        (["x_test_500.parquet", "x_train_53904.parquet"], None, ["x_train_53904.parquet"]),
        (["a/train-2.parquet", "a/train-1.parquet"], None, ["a/train-1.parquet", "a/train-2.parquet"]),
        (["a_train.parquet", "b/slice.parquet"], "b/slice.parquet", ["b/slice.parquet"]),
    ],
)  # fmt: skip
def test_of_a_folder_the_only_file_is_meant_or_those_for_training_or_the_one_that_is_named(
    tmp_path: Path, names: list[str], file: str | None, expected: list[str]
) -> None:
    assert found(PromptSource(str(folder_of(tmp_path, *names)), file=file), tmp_path) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["x_test_500.parquet", "x_train_53904.parquet"], ["x_test_500.parquet"]),
        (["train/a.parquet", "test/b.parquet", "test/c.parquet"], ["test/b.parquet", "test/c.parquet"]),
        (["latest.parquet"], ["latest.parquet"]),
    ],
)
def test_of_a_folder_the_files_for_testing_are_held_out(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    source = PromptSource(str(folder_of(tmp_path, *names)))
    assert [path.relative_to(tmp_path).as_posix() for path in find_files(source, split="test")] == expected


def test_where_no_file_is_called_so_the_folder_of_that_name_is_meant(tmp_path: Path) -> None:
    folder_of(tmp_path, "train/maths.parquet", "train/code.parquet", "online_eval/maths.parquet")
    assert found(PromptSource(str(tmp_path)), tmp_path) == ["train/code.parquet", "train/maths.parquet"]


@pytest.mark.parametrize(
    ("names", "file", "message"),
    [
        ([], None, r"no parquet file there has the word `train` in its name; name the one"),
        (["a.parquet", "strained.parquet"], None, r"in its name \(but a\.parquet, strained\.parquet\); name the one"),
        (["a.parquet"], "b.parquet", r"no parquet file 'b\.parquet' there \(but a\.parquet\)"),
        ([f"{number:02}.parquet" for number in range(12)], None, r"09\.parquet and 2 more\)"),
    ],
)
def test_a_folder_in_which_no_file_is_plainly_meant_is_refused(
    tmp_path: Path, names: list[str], file: str | None, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        find_files(PromptSource(str(folder_of(tmp_path, *names)), file=file))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PromptSource("./nowhere"), r"there is no file or folder '\./nowhere'"),
        (PromptSource("data/rows.parquet"), r"found 'data/rows\.parquet', expected a hub id .*, or a path such as"),
        (PromptSource("a/b/c", "main"), r"found 'a/b/c', expected a hub id"),
        (PromptSource("someone/maths"), r"prompts someone/maths: a hub data set changes, so it needs a `revision`"),
        (PromptSource("rows.parquet"), r"found 'rows\.parquet', expected .* a path such as \./name"),
        (PromptSource("./rows.parquet", "main"), r"rows\.parquet is on this machine, so it has no revision"),
        (
            PromptSource("./rows.parquet", None, "x.parquet"),
            r"rows\.parquet is a file, so it holds no `file` 'x\.parquet'",
        ),
    ],
    ids=str,
)
def test_a_source_that_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: PromptSource, message: str
) -> None:
    monkeypatch.chdir(folder_of(tmp_path, "rows.parquet"))
    with pytest.raises(SpecError, match=message):
        find_files(source)


class _Hub(BaseHTTPRequestHandler):
    """Serves one data set as the hub does: its tree, and its files with their hashes."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        tree, files = f"/api/datasets/org/maths/tree/{REVISION}", f"/datasets/org/maths/resolve/{REVISION}/"
        if path == tree:
            entries = [
                {"type": "file", "path": name, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                for name, body in HUB_FILES.items()
            ]
            self._answer(json.dumps(entries).encode())
        elif path.startswith(files) and path.removeprefix(files) in HUB_FILES:
            body = HUB_FILES[path.removeprefix(files)]
            self._answer(body, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": REVISION})
        else:
            self._answer(b"", {"X-Error-Code": "RepoNotFound"}, status=404)

    do_HEAD = do_GET

    def _answer(self, body: bytes, headers: dict[str, str] | None = None, *, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    """A hub on this machine; huggingface_hub asks it instead of its own."""
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("file", "expected"),
    [(None, "easy-to-hard/maths_train_3.parquet"), ("slices/maths_1_4.parquet", "slices/maths_1_4.parquet")],
)
def test_of_a_hub_data_set_the_training_file_is_fetched_or_the_one_that_is_named(
    tmp_path: Path, file: str | None, expected: str
) -> None:
    (path,) = find_files(PromptSource("org/maths", REVISION, file))

    assert path.read_bytes() == HUB_FILES[expected]
    fetched = {path.name for path in tmp_path.rglob("*.parquet")}
    assert fetched == {Path(expected).name}


@pytest.mark.usefixtures("hub")
def test_of_a_hub_data_set_the_file_for_testing_is_held_out(tmp_path: Path) -> None:
    (path,) = find_files(PromptSource("org/maths", REVISION), split="test")

    assert path.read_bytes() == HUB_FILES["easy-to-hard/maths_test_2.parquet"]
    assert {path.name for path in tmp_path.rglob("*.parquet")} == {"maths_test_2.parquet"}


def test_a_revision_that_was_fetched_once_needs_no_hub(hub: ThreadingHTTPServer) -> None:
    first = find_files(PromptSource("org/maths", REVISION))
    hub.shutdown()
    hub.server_close()
    assert find_files(PromptSource("org/maths", REVISION)) == first


@pytest.mark.usefixtures("hub")
def test_one_cached_file_is_not_taken_for_the_whole_data_set() -> None:
    find_files(PromptSource("org/maths", REVISION, "slices/maths_1_4.parquet"))
    (path,) = find_files(PromptSource("org/maths", REVISION))
    assert path.name == "maths_train_3.parquet"


@pytest.mark.usefixtures("hub")
def test_a_file_that_the_hub_data_set_lacks_is_named() -> None:
    with pytest.raises(
        SpecError, match=r"prompts org/maths@c+ x\.parquet: there is no parquet file 'x\.parquet' there"
    ):
        find_files(PromptSource("org/maths", REVISION, "x.parquet"))


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("revision", [REVISION, "main"])
def test_a_data_set_that_the_hub_lacks_is_the_users_error(revision: str) -> None:
    with pytest.raises(SpecError, match=rf"has no data set 'org/other' with revision '{revision}' that you may read"):
        find_files(PromptSource("org/other", revision))


def test_a_hub_that_does_not_answer_is_the_machines_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match=r"cannot fetch .*refused.* Check the network, or give the path"):
        find_files(PromptSource("someone/maths", "main"))


def test_importing_prompts_imports_nothing_heavy() -> None:
    modules = [
        "source", "rows", "ground_truth", "curriculum", "slices", "duplicates", "lengths", "heldout", "training_set",
        "inspection",
    ]  # fmt: skip
    program = "import sys\n" + "\n".join(f"import workers.prompts.{name}" for name in modules)
    heavy = ("torch", "datasets", "pandas", "pyarrow", "numpy", "huggingface_hub", "transformers")
    program += f"\nprint(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
