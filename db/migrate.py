"""Running the Alembic revisions in `migrations/` on an open connection.

The tables are only ever made by the revisions, never by `create_all`, so that a new database and an upgraded one
cannot differ.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for `connection`; the revisions are those installed with this code."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def create_tables(connection: Connection) -> None:
    """Bring an empty database to the newest revision, in the connection's transaction."""
    from alembic import command

    command.upgrade(alembic_config(connection), "head")
