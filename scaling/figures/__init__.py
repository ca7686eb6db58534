"""Fits as pictures."""
