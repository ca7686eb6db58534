"""`rlsweep checkpoint`: what it lists, what it finds altered, and what it deletes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sqlalchemy import URL, Engine, update

from db.connection.engines import begin_write
from db.database import open_database
from db.reader import Reader
from db.records import CheckpointRecord
from db.states import AttemptState, TrialState
from db.store import AttemptStore, PlanStore, claim
from db.store.retired import retire_checkpoints
from db.tables import SweepTrial
from orchestrator.cli import main
from tests.checkpoint_places import progress_at, save
from tests.records import HERE, SWEEP, planned, step
from workers.checkpointing.saving import SealedCheckpoint, checkpoint_name, checkpoints_in, delete_checkpoint
from workers.spec import TrialSpec

SPEC = TrialSpec.model_validate(
    {
        "model": {"name": "m", "source": "org/m"},
        "data": {"task": "affine-lookup"},
        "algorithm": {"group_size": 4, "prompts_per_step": 4},
        "optimizer": {"learning_rate": 0.01},
        "sampling": {"max_completion_tokens": 6},
        "seed": 1,
        "budget": {"unit": "steps", "at": [8]},
        "evaluations": [{"benchmark": "heldout"}],
        "execution": {"checkpoints_kept": 2},
    }
).model_dump(mode="json")


class Outcome(NamedTuple):
    """What a command came to."""

    exit_code: int
    output: str
    errors: str


class Study:
    """A sweep of two trials, with checkpoints in a place, and commands on it."""

    def __init__(self, engine: Engine, folder: Path, run: Callable[..., Outcome], store: str | None = None) -> None:
        self.engine, self.folder, self._run, self._store = engine, folder, run, store
        trials = [planned(number, spec=SPEC) for number in (1, 2)]
        self.registered = PlanStore(engine).register(SWEEP, trials)
        self.trial, self.other = self.registered.trial_ids
        self.artifacts = folder / "rlsweep_artifacts"

    @property
    def place(self) -> str:
        return f"{self._store or self.artifacts}/trials/v1-1/checkpoints"

    @property
    def is_in_a_store(self) -> bool:
        return self._store is not None

    def run(self, *arguments: str) -> Outcome:
        return self._run("checkpoint", *arguments)

    def gc(self, *arguments: str) -> set[tuple[str, str]]:
        """What `gc --json` names: (name, reason)."""
        place = ("--artifacts", self._store) if self._store else ()
        done = self.run("gc", "--json", *place, *arguments)
        assert done.exit_code == 0, done.errors
        return {(each["uri"].rpartition("/")[2], each["reason"]) for each in json.loads(done.output)["garbage"]}

    def claim(self) -> AttemptStore:
        return claim(self.engine, trial_id=self.trial, sweep_id=self.registered.sweep_id, process=HERE)

    def save(self, attempt: AttemptStore, *steps: int, milestones: tuple[int, ...] = ()) -> list[SealedCheckpoint]:
        saved = []
        for at in steps:
            sealed = save(self.place, at, staging=self.folder / "staging", attempt=attempt.number)
            told = (sealed.uri, sealed.num_bytes, sealed.manifest_sha256)
            attempt.record(step(at), CheckpointRecord(at, *told, is_milestone=at in milestones))
            saved.append(sealed)
        return saved

    def states(self) -> dict[str, str]:
        rows = json.loads(self.run("ls", "--deleted", "--json").output)
        return {row["uri"].rpartition("/")[2]: row["state"] for row in rows}

    def names(self) -> list[str]:
        return [uri.rpartition("/")[2] for uri in checkpoints_in(self.place)]


ON_BOTH_DATABASES = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> URL:
    """A new database: SQLite, unless the test says otherwise."""
    found: URL = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return found


@pytest.fixture
def run(
    url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLSWEEP_DB", url.render_as_string(hide_password=False))
    monkeypatch.delenv("RLSWEEP_ARTIFACTS", raising=False)
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["rlsweep", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def engine(url: URL) -> Iterator[Engine]:
    engine = open_database(url, create=False)
    yield engine
    engine.dispose()


@pytest.fixture
def study(engine: Engine, tmp_path: Path, run: Callable[..., Outcome]) -> Study:
    return Study(engine, tmp_path, run)


@pytest.fixture(params=["", "memory://bucket/sweeps"])
def placed(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path, run: Callable[..., Outcome]) -> Study:
    """As `study`, with checkpoints in a folder, and in a store."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    return Study(engine, tmp_path, run, store=request.param or None)


@ON_BOTH_DATABASES
def test_the_list_says_where_checkpoints_are_and_whether_they_are_there(placed: Study) -> None:
    attempt = placed.claim()
    gone, lost, kept = placed.save(attempt, 1, 2, 3, milestones=(3,))
    delete_checkpoint(gone.uri)
    attempt.record_deleted_checkpoint(gone.uri, step=3)
    delete_checkpoint(lost.uri)
    shown = placed.run("ls")
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.output.splitlines()]
    assert [line[0] for line in lines] == ["trial", "1", "1", "1"]
    assert (lines[1][1], lines[1][-2:]) == ("2", ["missing", lost.uri])
    assert (lines[2][1], "yes" in lines[2], lines[2][-2:]) == ("3", True, ["kept", kept.uri])
    assert "1 checkpoint there" in shown.output
    assert "1 missing; 1 deleted, not shown (--deleted)" in shown.output
    assert list(placed.states().values()) == ["deleted", "missing", "kept"]
    assert [row["step"] for row in json.loads(placed.run("ls", "--trial", "1", "--json").output)] == [2, 3]
    assert json.loads(placed.run("ls", "--trial", "2", "--json").output) == []


def test_a_sound_sweep_verifies(placed: Study) -> None:
    placed.save(placed.claim(), 1, 2)
    done = placed.run("verify")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "2 of 2 checkpoints are whole.")


def test_an_altered_file_is_named_and_fails_the_command(study: Study) -> None:
    sealed, _ = study.save(study.claim(), 1, 2)
    weights = Path(sealed.uri) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[::-1])
    done = study.run("verify", "--all")
    assert done.exit_code == 1
    assert "trial 1, step 1, attempt 1: Checkpoint" in done.output
    assert "model.safetensors is altered" in done.output
    assert done.output.splitlines()[-1] == "1 of 2 checkpoints are whole."
    found = json.loads(study.run("verify", "s", "--json").output)
    assert ["model.safetensors" in (row["problem"] or "") for row in found] == [True, False]


def test_a_trial_that_may_be_running_is_left_alone(placed: Study) -> None:
    attempt = placed.claim()
    placed.save(attempt, 1, 2, 3, 4)
    (placed.artifacts / "trials" / "v1-1" / "staging-attempt-1").mkdir(parents=True)
    save(placed.place, 9, staging=placed.folder / "staging")
    assert placed.gc("--keep", "0", "--dry-run") == set()
    assert placed.gc("--keep", "0", "--yes") == set()
    assert len(placed.names()) == 5


@ON_BOTH_DATABASES
def test_a_finished_trial_keeps_its_newest_and_its_milestones(placed: Study) -> None:
    attempt = placed.claim()
    placed.save(attempt, 1, 2, 3, 4, 5, milestones=(1,))
    attempt.end(AttemptState.SUCCEEDED)
    old = {(checkpoint_name(2, 1), "old"), (checkpoint_name(3, 1), "old")}
    assert placed.gc("--dry-run") == old
    assert len(placed.names()) == 5, "nothing is deleted by a dry run"
    assert placed.gc("--yes") == old
    assert placed.names() == [checkpoint_name(at, 1) for at in (1, 4, 5)]
    assert list(placed.states().values()) == ["kept", "deleted", "deleted", "kept", "kept"]
    assert placed.gc("--yes") == set()
    assert placed.gc("--yes", "--keep", "0") == {(checkpoint_name(4, 1), "old"), (checkpoint_name(5, 1), "old")}
    assert placed.names() == [checkpoint_name(1, 1)]


@pytest.mark.parametrize(
    ("end", "kept"),
    [(AttemptState.FAILED, [4]), (AttemptState.INTERRUPTED, [1, 2, 3, 4])],
)
def test_an_unfinished_trial_keeps_what_it_goes_on_from(study: Study, end: AttemptState, kept: list[int]) -> None:
    attempt = study.claim()
    study.save(attempt, 1, 2, 3, 4)
    attempt.end(end)
    study.gc("--yes", "--keep", "0")
    assert study.names() == [checkpoint_name(at, 1) for at in kept]


@ON_BOTH_DATABASES
def test_what_dead_attempts_left_goes(placed: Study) -> None:
    first = placed.claim()
    gone, _, taken_again, milestone = placed.save(first, 1, 2, 3, 4, milestones=(4,))
    first.end(AttemptState.INTERRUPTED)
    second = placed.claim()
    second.resume_from(2)
    placed.save(second, 3)
    second.record_deleted_checkpoint(gone.uri, step=3)  # and then it was killed before it could delete it
    second.end(AttemptState.INTERRUPTED)
    unknown = save(placed.place, 7, staging=placed.folder / "staging", attempt=2)
    staging = placed.artifacts / "trials" / "v1-1" / "staging-attempt-2"
    staging.mkdir(parents=True)
    stranger = placed.artifacts / "trials" / "v1-1" / "checkpoints" / "mine"
    stranger.mkdir(parents=True)
    foreign = placed.artifacts / "trials" / "v1-9" / "staging-attempt-1"
    foreign.mkdir(parents=True)

    assert placed.states()[taken_again.uri.rpartition("/")[2]] == "superseded"
    assert placed.gc("--yes") == {
        (checkpoint_name(1, 1), "deleted"),
        (checkpoint_name(3, 1), "superseded"),
        (unknown.uri.rpartition("/")[2], "unknown"),
        ("staging-attempt-2", "staging"),
    }
    whole = {checkpoint_name(2, 1), checkpoint_name(3, 2), milestone.uri.rpartition("/")[2]}
    assert set(placed.names()) - {"mine"} == whole
    assert not staging.exists()
    assert stranger.exists(), "what is not named as a checkpoint is somebody else's"
    assert foreign.exists(), "a trial that this database does not know may be another's"


def test_what_no_row_knows_yet_stays_while_records_wait(study: Study) -> None:
    study.claim().end(AttemptState.INTERRUPTED)
    save(study.place, 7, staging=study.folder / "staging")
    spool = study.artifacts / "trials" / "v1-1" / "spool"
    spool.mkdir()
    (spool / "attempt-0001.jsonl").touch()
    assert study.gc("--yes") == set()
    (spool / "attempt-0001.jsonl").unlink()
    assert study.gc("--yes") == {(checkpoint_name(7, 1), "unknown")}
    assert study.names() == []


def test_records_are_looked_for_wherever_a_trial_has_had_checkpoints(study: Study) -> None:
    attempt = study.claim()
    study.save(attempt, 1)
    attempt.end(AttemptState.INTERRUPTED)
    save(study.place, 7, staging=study.folder / "staging")
    spool = study.artifacts / "trials" / "v1-1" / "spool"
    spool.mkdir()
    (spool / "attempt-0001.jsonl").touch()
    (study.artifacts / "trials" / "v1-1" / "staging-attempt-1").mkdir()
    elsewhere = ("--yes", "--artifacts", str(study.folder / "another"))
    assert study.gc(*elsewhere) == {("staging-attempt-1", "staging")}
    assert len(study.names()) == 2
    (spool / "attempt-0001.jsonl").unlink()
    assert study.gc(*elsewhere) == {(checkpoint_name(7, 1), "unknown")}


@pytest.mark.parametrize("state", [TrialState.RECOVERING, TrialState.QUEUED, TrialState.PLANNED, TrialState.FAILED])
def test_a_store_keeps_what_another_machine_may_still_tell_of(placed: Study, state: TrialState) -> None:
    placed.claim()
    save(placed.place, 7, staging=placed.folder / "staging")
    store = PlanStore(placed.engine)
    store.declare_lost(placed.registered.sweep_id, is_dead=lambda process: True)
    if state in (TrialState.QUEUED, TrialState.PLANNED):
        store.queue([placed.trial], sweep_id=placed.registered.sweep_id)
    if state == TrialState.PLANNED:
        store.unqueue([placed.trial])
    if state == TrialState.FAILED:
        store.fail(placed.trial, message="lost too often")
    assert Reader(placed.engine).trial(placed.trial)["state"] == state
    assert placed.gc("--yes") == (set() if placed.is_in_a_store else {(checkpoint_name(7, 1), "unknown")})


def test_a_store_keeps_nothing_unknown_once_the_last_attempt_has_told_its_end(placed: Study) -> None:
    attempt = placed.claim()
    save(placed.place, 7, staging=placed.folder / "staging")
    attempt.end(AttemptState.INTERRUPTED)
    PlanStore(placed.engine).queue([placed.trial], sweep_id=placed.registered.sweep_id)
    assert placed.gc("--yes") == {(checkpoint_name(7, 1), "unknown")}
    assert placed.names() == []


def test_a_checkpoint_that_is_reached_by_another_path_is_not_unknown(study: Study) -> None:
    attempt = study.claim()
    study.save(attempt, 1, 2)
    attempt.end(AttemptState.INTERRUPTED)
    link = study.folder / "elsewhere"
    link.symlink_to(study.artifacts)
    assert study.gc("--yes", "--artifacts", str(link)) == set()
    assert len(study.names()) == 2


def test_no_other_folder_is_deleted_whatever_a_row_says(study: Study) -> None:
    precious = study.folder / "precious"
    (precious / "data").mkdir(parents=True)
    attempt = study.claim()
    attempt.record(step(1), CheckpointRecord(1, str(precious), 10, "e" * 64, is_milestone=False))
    attempt.record(step(2), CheckpointRecord(2, f"{precious}/data", 10, "e" * 64, is_milestone=False))
    attempt.record_deleted_checkpoint(f"{precious}/data", step=3)
    attempt.end(AttemptState.SUCCEEDED)
    assert study.gc("--yes", "--keep", "0") == set()
    assert (precious / "data").exists()


@ON_BOTH_DATABASES
def test_what_was_started_meanwhile_is_not_retired(study: Study) -> None:
    attempt = study.claim()
    study.save(attempt, 1)
    attempt.end(AttemptState.INTERRUPTED)
    told: dict[str, Any] = {"trial_id": study.trial, "checkpoint_ids": [1]}
    second = study.claim()
    assert not retire_checkpoints(study.engine, attempts=2, **told), "an attempt holds it"
    second.end(AttemptState.INTERRUPTED)
    assert not retire_checkpoints(study.engine, attempts=1, **told), "there is a newer attempt than was known"
    assert list(study.states().values()) == ["kept"]
    assert retire_checkpoints(study.engine, attempts=2, **told)
    assert list(study.states().values()) == ["deleted"]


def test_nothing_is_deleted_unasked(study: Study) -> None:
    attempt = study.claim()
    study.save(attempt, 1, 2)
    attempt.end(AttemptState.SUCCEEDED)
    refused = study.run("gc", "--keep", "0")
    assert refused.exit_code == 2
    assert refused.errors == ("rlsweep: Say --yes to delete, or --dry-run to look only: there is nobody here to ask.\n")
    assert "2 old: beyond what a finished trial keeps" in refused.output
    assert len(study.names()) == 2


def test_a_trial_keeps_the_most_that_a_sweep_lets_it_keep(study: Study) -> None:
    attempt = study.claim()
    study.save(attempt, 1, 2, 3)
    attempt.end(AttemptState.SUCCEEDED)
    generous = SPEC | {"execution": SPEC["execution"] | {"checkpoints_kept": 3}}
    with begin_write(study.engine) as connection:
        connection.execute(update(SweepTrial).values(spec=generous))
    assert study.gc("--dry-run") == set()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "reason"),
    [
        (("ls", "nothing"), 1, "There is no sweep 'nothing'"),
        (("verify", "--trial", "99"), 1, "There is no trial 99"),
        (("ls", "s", "--all"), 2, "one of them"),
        (("gc", "--artifacts", "nowhere://x"), 1, "Protocol not known"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    study: Study, arguments: tuple[str, ...], exit_code: int, reason: str
) -> None:
    done = study.run(*arguments)
    assert done.exit_code == exit_code
    assert done.errors.startswith("rlsweep: ")
    assert reason in done.errors
    assert done.errors.count("\n") == 1


def test_progress_is_what_was_saved(placed: Study) -> None:
    from workers.checkpointing.resuming import newest_whole

    attempt = placed.claim()
    placed.save(attempt, 1, 2)
    recorded = Reader(placed.engine).live_checkpoints(placed.trial)
    found = newest_whole(recorded, fetched=placed.folder / "fetched", say=lambda _: None)
    assert found.progress == progress_at(2)
