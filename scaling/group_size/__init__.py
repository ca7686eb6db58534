"""How many completions of each prompt are best, for a given budget? Start at `fit`."""
