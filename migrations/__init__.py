"""The database's history: Alembic's environment, and one file in `versions/` per revision."""
