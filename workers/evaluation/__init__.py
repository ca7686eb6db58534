"""Scores of a policy, apart from the trainer."""
