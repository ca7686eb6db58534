"""The sweep file: reading it with the place of every value, its language, its trials, and what identifies them.

Light on purpose: checking a file needs neither torch nor Ray, and answers in a blink.
"""
