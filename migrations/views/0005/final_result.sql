-- No ranking of all scores of all trials: only those of the trials that are asked for are looked at. CROSS JOIN tells
-- SQLite the order, attempts first; whether there is a later score is then a look into the key of the scores.
CREATE VIEW final_result AS
SELECT
    c.evaluation_id, c.trial_id, c.model, c.family, c.variant, c.num_params, c.total_params, c.nominal_params,
    c.data, c.algorithm, c.seed, c.group_size, c.tau, c.learning_rate, c.prompts_per_step, c.updates_per_step,
    c.kl_coefficient, c.origin, c.trial_state,
    c.benchmark, c.protocol, c.problems, c.samples_per_problem,
    c.step, c.samples, c.tokens, c.flops, c.paper_flops, c.train_seconds, c.gpu_hours, c.score, c.test_loss, c.standard_error,
    (SELECT 1.0 - e.score FROM live_evaluation e
        WHERE e.trial_id = c.trial_id AND e.benchmark = c.benchmark AND e.protocol = c.protocol
        ORDER BY e.step, e.id LIMIT 1) AS first_test_loss,
    (SELECT MIN(1.0 - e.score) FROM live_evaluation e
        WHERE e.trial_id = c.trial_id AND e.benchmark = c.benchmark AND e.protocol = c.protocol) AS best_test_loss,
    (SELECT 1.0 - e.score FROM live_evaluation e
        WHERE e.trial_id = c.trial_id AND e.benchmark = c.benchmark AND e.protocol = c.protocol
        ORDER BY e.step, e.id LIMIT 1) - c.test_loss AS gain
FROM learning_curve c
WHERE NOT EXISTS (
    SELECT 1
    FROM attempt a
    CROSS JOIN evaluation later
    WHERE a.trial_id = c.trial_id
        AND later.trial_id = a.trial_id AND later.attempt = a.number
        AND later.benchmark = c.benchmark AND later.protocol = c.protocol
        AND later.step >= c.step AND (later.step > c.step OR later.id > c.evaluation_id)
        AND (a.live_through_step IS NULL OR later.step <= a.live_through_step)
)
