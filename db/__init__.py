"""The results database: tables, the store that alone writes to them, and the queries that read them.

Knows nothing of Ray, torch, TRL, Typer or pandas, so that an analyst's machine needs none of them.
"""
