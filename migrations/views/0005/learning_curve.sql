-- Before the first step nothing has been consumed, so zeros there are measured, not missing: where the amount is counted
-- at all. A run here counts everything; an imported one only what its log has, which its last step tells.
-- What an attempt scores before its first step is the checkpoint it continues: that step is an earlier attempt's.
-- Joined to `step` by its key and not to `live_step`: SQLite would build the whole of a joined view for a LEFT JOIN.
CREATE VIEW learning_curve AS
SELECT
    e.id AS evaluation_id, e.trial_id, e.attempt, e.step,
    t.model, m.family, m.variant, m.num_params, m.total_params, m.nominal_params,
    t.data, t.algorithm, t.seed, t.group_size, t.tau, t.learning_rate,
    t.prompts_per_step, t.updates_per_step, t.kl_coefficient, t.origin, t.state AS trial_state,
    CASE
        WHEN e.step > 0 THEN s.cumulative_samples
        WHEN t.origin = 'native' OR t.reached_samples IS NOT NULL THEN 0
    END AS samples,
    CASE
        WHEN e.step > 0 THEN s.cumulative_tokens
        WHEN t.origin = 'native' OR t.reached_tokens IS NOT NULL THEN 0
    END AS tokens,
    CASE
        WHEN e.step > 0 THEN s.cumulative_flops
        WHEN t.origin = 'native' OR t.reached_flops IS NOT NULL THEN 0.0
    END AS flops,
    CASE
        WHEN e.step > 0 THEN s.cumulative_paper_flops
        WHEN m.nominal_params IS NOT NULL AND (t.origin = 'native' OR t.reached_tokens IS NOT NULL) THEN 0.0
    END AS paper_flops,
    CASE
        WHEN e.step > 0 THEN s.cumulative_seconds
        WHEN t.origin = 'native' OR t.reached_seconds IS NOT NULL THEN 0.0
    END AS train_seconds,
    CASE
        WHEN e.step > 0 THEN s.cumulative_gpu_seconds / 3600
        WHEN t.origin = 'native' OR t.reached_gpu_seconds IS NOT NULL THEN 0.0
    END AS gpu_hours,
    e.benchmark, e.protocol, e.problems, e.samples_per_problem, e.successes,
    e.score, 1.0 - e.score AS test_loss, e.standard_error, s.truncated_share
FROM evaluation e
JOIN attempt a ON a.trial_id = e.trial_id AND a.number = e.attempt
JOIN trial t ON t.id = e.trial_id
LEFT JOIN model m ON m.id = t.model_id
LEFT JOIN step s ON s.trial_id = e.trial_id AND s.step = e.step AND s.attempt = CASE
    WHEN e.step = a.resumed_from_step THEN (
        SELECT MAX(p.number)
        FROM attempt p
        JOIN step done ON done.trial_id = p.trial_id AND done.attempt = p.number
        WHERE p.trial_id = e.trial_id AND p.number < e.attempt AND done.step = e.step
    )
    ELSE e.attempt
END
WHERE a.live_through_step IS NULL OR e.step <= a.live_through_step
