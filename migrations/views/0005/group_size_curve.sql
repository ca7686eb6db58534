CREATE VIEW group_size_curve AS
SELECT
    model, variant, num_params, data, algorithm, learning_rate, tau, group_size,
    prompts_per_step, updates_per_step, kl_coefficient, benchmark, protocol, step,
    COUNT(*) AS runs,
    AVG(CAST(samples AS DOUBLE PRECISION)) AS mean_samples,
    AVG(CAST(tokens AS DOUBLE PRECISION)) AS mean_tokens,
    AVG(flops) AS mean_flops,
    AVG(test_loss) AS mean_test_loss,
    MIN(test_loss) AS min_test_loss,
    MAX(test_loss) AS max_test_loss
FROM learning_curve
WHERE group_size IS NOT NULL
GROUP BY
    model, variant, num_params, data, algorithm, learning_rate, tau, group_size,
    prompts_per_step, updates_per_step, kl_coefficient, benchmark, protocol, step
