-- One row for each phase, so that a sum over any of them is a GROUP BY away. What is used of a GPU's peak is a ratio of
-- sums, never a mean of ratios: so both of its parts are here, and it only of the row itself.
CREATE VIEW step_phase AS
SELECT
    c.trial_id, c.attempt, c.step, t.model, m.num_params, c.phase, c.seconds,
    c.seconds * a.num_gpus AS gpu_seconds,
    c.flops, c.executed_flops,
    CASE WHEN a.num_gpus > 0 THEN c.seconds * a.num_gpus * a.gpu_peak_flops END AS peak_flops,
    CASE
        WHEN c.seconds > 0 AND a.num_gpus > 0 THEN c.flops / (c.seconds * a.num_gpus * a.gpu_peak_flops)
    END AS utilisation
FROM (
    SELECT s.trial_id, s.attempt, s.step, 'generation' AS phase, s.generation_seconds AS seconds,
        s.generation_flops AS flops,
        s.executed_generation_flops AS executed_flops
    FROM step s
    UNION ALL
    SELECT s.trial_id, s.attempt, s.step, 'logprob' AS phase, s.logprob_seconds AS seconds,
        s.old_logprob_flops + s.reference_flops AS flops,
        s.executed_old_logprob_flops + s.executed_reference_flops AS executed_flops
    FROM step s
    UNION ALL
    SELECT s.trial_id, s.attempt, s.step, 'reward' AS phase, s.reward_seconds AS seconds,
        CASE WHEN s.flops_version IS NOT NULL THEN 0.0 END AS flops,
        CASE WHEN s.executed_flops_version IS NOT NULL THEN 0.0 END AS executed_flops
    FROM step s
    UNION ALL
    SELECT s.trial_id, s.attempt, s.step, 'update' AS phase, s.update_seconds AS seconds,
        s.train_flops AS flops,
        s.executed_train_flops AS executed_flops
    FROM step s
    UNION ALL
    SELECT e.trial_id, e.attempt, e.step, 'evaluation' AS phase, e.seconds AS seconds, e.evaluation_flops AS flops,
        NULL AS executed_flops
    FROM evaluation e
) c
JOIN attempt a ON a.trial_id = c.trial_id AND a.number = c.attempt
JOIN trial t ON t.id = c.trial_id
LEFT JOIN model m ON m.id = t.model_id
WHERE a.live_through_step IS NULL OR c.step <= a.live_through_step
