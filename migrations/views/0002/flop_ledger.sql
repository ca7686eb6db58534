-- An attempt without a step has paid nothing, which is a zero. One step whose FLOPs nobody counted makes a NULL: a
-- part must not pass for the whole.
CREATE VIEW flop_ledger AS
SELECT
    a.trial_id, a.number AS attempt, a.sweep_id, a.state AS attempt_state, a.failure_class,
    t.model, m.num_params, t.algorithm, t.seed, t.origin,
    COUNT(s.step) AS steps,
    COUNT(CASE WHEN s.step > a.live_through_step THEN 1 END) AS lost_steps,
    CASE WHEN COUNT(s.generation_flops) = COUNT(s.step) THEN COALESCE(SUM(s.generation_flops), 0.0) END
        AS generation_flops,
    CASE WHEN COUNT(s.old_logprob_flops) = COUNT(s.step) THEN COALESCE(SUM(s.old_logprob_flops), 0.0) END
        AS old_logprob_flops,
    CASE WHEN COUNT(s.reference_flops) = COUNT(s.step) THEN COALESCE(SUM(s.reference_flops), 0.0) END
        AS reference_flops,
    CASE WHEN COUNT(s.train_flops) = COUNT(s.step) THEN COALESCE(SUM(s.train_flops), 0.0) END AS train_flops,
    CASE WHEN COUNT(s.flops) = COUNT(s.step) THEN COALESCE(SUM(s.flops), 0.0) END AS paid_flops,
    CASE WHEN COUNT(CASE WHEN s.step > a.live_through_step THEN 0.0 ELSE s.flops END) = COUNT(s.step)
        THEN COALESCE(SUM(CASE WHEN s.step > a.live_through_step THEN 0.0 ELSE s.flops END), 0.0) END AS useful_flops,
    CASE WHEN COUNT(CASE WHEN s.step > a.live_through_step THEN s.flops ELSE 0.0 END) >= COUNT(s.step)
        THEN COALESCE(SUM(CASE WHEN s.step > a.live_through_step THEN s.flops ELSE 0.0 END), 0.0) END AS lost_flops,
    (SELECT SUM(e.evaluation_flops) FROM evaluation e WHERE e.trial_id = a.trial_id AND e.attempt = a.number)
        AS evaluation_flops,
    CASE WHEN COUNT(s.step_seconds) = COUNT(s.step) THEN COALESCE(SUM(s.step_seconds), 0.0) END AS paid_seconds,
    CASE WHEN COUNT(CASE WHEN s.step > a.live_through_step THEN s.step_seconds ELSE 0.0 END) >= COUNT(s.step)
        THEN COALESCE(SUM(CASE WHEN s.step > a.live_through_step THEN s.step_seconds ELSE 0.0 END), 0.0) END
        AS lost_seconds,
    a.num_gpus
FROM attempt a
JOIN trial t ON t.id = a.trial_id
LEFT JOIN model m ON m.id = t.model_id
LEFT JOIN (
    SELECT
        trial_id, attempt, step, step_seconds, generation_flops, old_logprob_flops, reference_flops, train_flops,
        generation_flops + old_logprob_flops + reference_flops + train_flops AS flops
    FROM step
) s ON s.trial_id = a.trial_id AND s.attempt = a.number
GROUP BY
    a.id, a.trial_id, a.number, a.sweep_id, a.state, a.failure_class, a.live_through_step, a.num_gpus,
    t.model, m.num_params, t.algorithm, t.seed, t.origin
