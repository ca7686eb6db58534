CREATE VIEW final_result AS
SELECT
    evaluation_id, trial_id, model, family, variant, num_params, total_params, nominal_params,
    data, algorithm, seed, group_size, tau, learning_rate, prompts_per_step, updates_per_step, kl_coefficient,
    origin, trial_state,
    benchmark, protocol, problems, samples_per_problem,
    step, samples, tokens, flops, paper_flops, train_seconds, score, test_loss, standard_error,
    first_test_loss, best_test_loss, first_test_loss - test_loss AS gain
FROM (
    SELECT
        c.*,
        ROW_NUMBER() OVER (
            PARTITION BY c.trial_id, c.benchmark, c.protocol ORDER BY c.step DESC, c.evaluation_id DESC
        ) AS from_last,
        FIRST_VALUE(c.test_loss) OVER (
            PARTITION BY c.trial_id, c.benchmark, c.protocol ORDER BY c.step, c.evaluation_id
        ) AS first_test_loss,
        MIN(c.test_loss) OVER (PARTITION BY c.trial_id, c.benchmark, c.protocol) AS best_test_loss
    FROM learning_curve c
) ranked
WHERE from_last = 1
