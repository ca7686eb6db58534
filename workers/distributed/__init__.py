"""One trial on several processes, of one machine or of several: the attempt's own process leads, the others follow.

`leading` is the leader's part, `follower` what the others run, `exchange` what they tell each other at the end of a
block. On each further node of the trial `node` stands in for the leader: it has the followers there, which `processes`
starts. The leader knows nothing of Ray: who launched it has the other nodes' places, and the two talk by way of
`launcher_line`. Only the leader has the database, and it alone writes checkpoints.
"""
