-- Nobody knows why a lost attempt ended, so its class is `lost` unless one was found out.
CREATE VIEW attempt_failure AS
SELECT
    w.name AS sweep, a.trial_id, a.number AS attempt, t.model, m.num_params, t.algorithm, t.seed, t.group_size, t.tau,
    a.state AS attempt_state, COALESCE(a.failure_class, a.state) AS failure_class, a.message, a.host,
    a.started_at, a.ended_at, a.resumed_from_step, a.live_through_step,
    (SELECT MAX(s.step) FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS last_step,
    l.paid_flops, l.useful_flops, l.lost_steps, l.lost_flops, l.lost_seconds, a.num_gpus,
    t.state AS trial_state
FROM attempt a
JOIN flop_ledger l ON l.trial_id = a.trial_id AND l.attempt = a.number
JOIN trial t ON t.id = a.trial_id
LEFT JOIN model m ON m.id = t.model_id
LEFT JOIN sweep w ON w.id = a.sweep_id
WHERE a.state IN ('failed', 'lost')
