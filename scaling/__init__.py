"""Scaling laws from evaluations. Nothing is imported here, so `import scaling` is free.

`observations` turns rows into arrays and gives each its role; `laws` holds the formulas, `regression` the statistics
that scopes share. Each scope is a folder that answers one question, told from beginning to end in its `fit`:
`inter_model`, `intra_model`, `data_reuse`, `group_size`, `transfer`. `figures` draws.
"""
