-- An attempt without a step has paid nothing, which is a zero; a step whose FLOPs nobody counted makes a NULL.
CREATE VIEW flop_ledger AS
SELECT
    a.trial_id, a.number AS attempt, a.sweep_id, a.state AS attempt_state, a.failure_class,
    t.model, m.num_params, t.algorithm, t.seed, t.origin,
    COUNT(s.step) AS steps,
    COUNT(CASE WHEN s.step > a.live_through_step THEN 1 END) AS lost_steps,
    SUM(s.generation_flops) AS generation_flops,
    SUM(s.old_logprob_flops) AS old_logprob_flops,
    SUM(s.reference_flops) AS reference_flops,
    SUM(s.train_flops) AS train_flops,
    CASE WHEN COUNT(s.step) = 0 THEN 0.0 ELSE
        SUM(s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops) END AS paid_flops,
    CASE WHEN COUNT(s.step) = 0 THEN 0.0 ELSE
        SUM(CASE WHEN s.step > a.live_through_step THEN 0.0 ELSE
            s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops END) END AS useful_flops,
    CASE WHEN COUNT(s.step) = 0 THEN 0.0 ELSE
        SUM(CASE WHEN s.step > a.live_through_step THEN
            s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops ELSE 0.0 END)
        END AS lost_flops,
    (SELECT SUM(e.evaluation_flops) FROM evaluation e WHERE e.trial_id = a.trial_id AND e.attempt = a.number)
        AS evaluation_flops,
    CASE WHEN COUNT(s.step) = 0 THEN 0.0 ELSE SUM(s.step_seconds) END AS paid_seconds,
    CASE WHEN COUNT(s.step) = 0 THEN 0.0 ELSE
        SUM(CASE WHEN s.step > a.live_through_step THEN s.step_seconds ELSE 0.0 END) END AS lost_seconds,
    a.num_gpus
FROM attempt a
JOIN trial t ON t.id = a.trial_id
LEFT JOIN model m ON m.id = t.model_id
LEFT JOIN step s ON s.trial_id = a.trial_id AND s.attempt = a.number
GROUP BY
    a.id, a.trial_id, a.number, a.sweep_id, a.state, a.failure_class, a.live_through_step, a.num_gpus,
    t.model, m.num_params, t.algorithm, t.seed, t.origin
