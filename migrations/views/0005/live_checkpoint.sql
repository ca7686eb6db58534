CREATE VIEW live_checkpoint AS
SELECT c.trial_id, c.attempt, c.step, c.uri, c.num_bytes, c.manifest_sha256, c.is_milestone
FROM checkpoint c
JOIN attempt a ON a.trial_id = c.trial_id AND a.number = c.attempt
WHERE c.deleted_at IS NULL AND (a.live_through_step IS NULL OR c.step <= a.live_through_step)
