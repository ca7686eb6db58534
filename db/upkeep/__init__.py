"""Keeping a database in order over the years: its revision, upgrades, backups, and whether it is whole."""
