"""The weights a trial starts from: made here or fetched, kept once, known by their content."""
