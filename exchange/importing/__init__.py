"""Reading what other programs recorded: CSV tables, verl logs, W&B offline runs and TensorBoard event files.

Every reader makes a table (`log_table`); the table's columns get their meaning (`mapping`, `units`), its values are
checked (`convert`, `checks`) and grouped to runs (`runs`). Nothing here writes to a database, and nothing is guessed:
a value that cannot mean what its column claims is refused, with every other such value, before a run is made.
"""
