"""Evaluations as a weighted regression: moments, estimators, blocks to resample, intervals, correlated noise."""
