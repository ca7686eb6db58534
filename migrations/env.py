"""Alembic's environment: runs revisions on the connection it is handed, never on one of its own making.

Batch mode lets SQLite, which cannot alter most things in place, migrate by copying a table.
"""

from alembic import context

from db.description.comments import write_comments
from db.tables import Base
from db.upkeep.revisions import HEAD_REVISION, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    compare_type=True,
    user_module_prefix="",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
    if HEAD_REVISION in context.get_context().get_current_heads():
        write_comments(context.get_bind())
