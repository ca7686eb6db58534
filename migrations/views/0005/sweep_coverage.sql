CREATE VIEW sweep_coverage AS
SELECT
    w.id AS sweep_id, w.name AS sweep,
    COUNT(t.id) AS trials,
    COUNT(CASE WHEN t.state = 'planned' THEN 1 END) AS planned,
    COUNT(CASE WHEN t.state = 'queued' THEN 1 END) AS queued,
    COUNT(CASE WHEN t.state = 'running' THEN 1 END) AS running,
    COUNT(CASE WHEN t.state = 'paused' THEN 1 END) AS paused,
    COUNT(CASE WHEN t.state = 'recovering' THEN 1 END) AS recovering,
    COUNT(CASE WHEN t.state = 'succeeded' THEN 1 END) AS succeeded,
    COUNT(CASE WHEN t.state = 'stopped' THEN 1 END) AS stopped,
    COUNT(CASE WHEN t.state = 'failed' THEN 1 END) AS failed,
    COUNT(CASE WHEN t.state = 'cancelled' THEN 1 END) AS cancelled,
    AVG(CASE WHEN s.spent >= s.budget_last THEN 1.0 ELSE s.spent / s.budget_last END) AS mean_share,
    CAST(COALESCE(SUM(t.attempts), 0) AS BIGINT) AS attempts,
    MIN(t.created_at) AS first_planned_at,
    MAX(t.finished_at) AS last_finished_at
FROM sweep w
LEFT JOIN trial_status s ON s.sweep_id = w.id
LEFT JOIN trial t ON t.id = s.trial_id
GROUP BY w.id, w.name
