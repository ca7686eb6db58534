"""Fits on the terminal, in 100 columns: a page for each scope. Nothing is computed here that a fit does not hold."""
