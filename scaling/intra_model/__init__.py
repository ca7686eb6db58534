"""Can the beginning of a run tell its end? Start at `fit`."""
