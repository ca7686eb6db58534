"""Running trials on Ray: the one place that imports it.

Ray decides where and when an attempt runs; the attempt itself is a process of its own (`workers.attempt`), started
in a fresh process group on the node that Ray chose. Results go to the database, never through Ray, so that a killed
driver loses nothing. `drive` is the driver of a sweep, `cluster` starts Ray, `tuning` hands it the trials that
`trial_queue` finds ready in the database, and `attempt_process` is what runs on the node.
"""
