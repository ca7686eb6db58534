"""Reaching a database: its address, where it may lie, how PostgreSQL is spoken to, and what to do while it is away."""
