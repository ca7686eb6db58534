"""One trial on several processes of a machine: the attempt's own process leads, the others follow.

`processes` starts the others and sees to it that all end together, `follower` is what they run, `exchange` what they
tell each other at the end of a block. Only the leader has the database.
"""
