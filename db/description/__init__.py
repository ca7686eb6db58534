"""What the tables and views hold, in words: for `rlsweep sql`, for PostgreSQL's own catalog, for docs/schema.md."""
