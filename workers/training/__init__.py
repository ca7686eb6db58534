"""A policy trained with TRL: which trainer and loss, its settings, and what is measured beside it."""
