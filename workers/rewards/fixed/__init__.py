"""Scorers that say what is right: an answer must stand where it was asked for, and is read for what it means."""
