-- A difference between runs that share their seed says more than one between means, so every row has its own baseline.
-- CROSS JOIN tells SQLite the order: left to itself it compares every score with every other one first.
CREATE VIEW data_reuse AS
SELECT
    c.trial_id, c.model, c.num_params, c.data, c.algorithm, c.seed, c.group_size, c.learning_rate,
    c.tau, d.unique_prompts,
    CASE WHEN d.unique_prompts > 0 THEN CAST(c.samples AS DOUBLE PRECISION) / d.unique_prompts END AS uses_per_prompt,
    c.step, c.samples, c.flops, c.benchmark, c.protocol,
    c.score, c.test_loss, c.standard_error,
    b.trial_id AS baseline_trial_id, b.test_loss AS baseline_test_loss,
    c.test_loss - b.test_loss AS loss_difference,
    CASE WHEN b.test_loss > 0 THEN c.test_loss / b.test_loss END AS loss_ratio
FROM trial reused
CROSS JOIN trial single
CROSS JOIN learning_curve c
CROSS JOIN learning_curve b
LEFT JOIN data_set d ON d.id = reused.data_set_id
WHERE reused.tau IS NOT NULL AND single.tau = 1
    AND single.model = reused.model
    AND COALESCE(single.data, '') = COALESCE(reused.data, '')
    AND COALESCE(single.algorithm, '') = COALESCE(reused.algorithm, '')
    AND COALESCE(single.seed, -1) = COALESCE(reused.seed, -1)
    AND COALESCE(single.group_size, -1) = COALESCE(reused.group_size, -1)
    AND COALESCE(single.prompts_per_step, -1) = COALESCE(reused.prompts_per_step, -1)
    AND COALESCE(single.updates_per_step, -1) = COALESCE(reused.updates_per_step, -1)
    AND COALESCE(single.learning_rate, -1) = COALESCE(reused.learning_rate, -1)
    AND COALESCE(single.kl_coefficient, -1) = COALESCE(reused.kl_coefficient, -1)
    AND c.trial_id = reused.id
    AND b.trial_id = single.id
    AND b.benchmark = c.benchmark AND b.protocol = c.protocol AND b.samples = c.samples
    AND COALESCE(b.variant, '') = COALESCE(c.variant, '')
