CREATE VIEW live_evaluation AS
SELECT e.*
FROM evaluation e
JOIN attempt a ON a.trial_id = e.trial_id AND a.number = e.attempt
WHERE a.live_through_step IS NULL OR e.step <= a.live_through_step
