CREATE VIEW live_step AS
SELECT s.*
FROM step s
JOIN attempt a ON a.trial_id = s.trial_id AND a.number = s.attempt
WHERE a.live_through_step IS NULL OR s.step <= a.live_through_step
