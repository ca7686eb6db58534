"""Scaling laws from evaluations: observations -> estimates -> forecasts, checks, records, figures.

Read in this order: `observations` (rows to arrays, and each row's role), `design` and `estimators` (losses to
moments), `k_forms` (how learning efficiency may depend on size), `intervals`, `forecasts`, `checks`, and
`inter_model`, which tells the whole story in one function. Nothing is imported here, so `import scaling` is free.
"""
