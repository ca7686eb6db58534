-- An attempt without a step has paid nothing, which is a zero. One step whose FLOPs nobody counted makes a NULL: a
-- part must not pass for the whole. So does an imported attempt that counts none, also where there is no step to sum up.
-- Every sum is a query of its own, so that no attempt is summed up but those that are asked for: neither database looks
-- into a view that groups, to sum up one sweep it would read the steps of all.
CREATE VIEW flop_ledger AS
SELECT
    a.trial_id, a.number AS attempt, a.sweep_id, a.state AS attempt_state, a.failure_class,
    t.model, m.num_params, t.algorithm, t.seed, t.origin,
    (SELECT COUNT(*) FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS steps,
    (SELECT COUNT(*) FROM step s
        WHERE s.trial_id = a.trial_id AND s.attempt = a.number AND s.step > a.live_through_step) AS lost_steps,
    (SELECT CASE
            WHEN COUNT(s.generation_flops) = COUNT(*)
            THEN COALESCE(SUM(s.generation_flops), CASE WHEN t.origin = 'native' THEN 0.0 END)
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS generation_flops,
    (SELECT CASE
            WHEN COUNT(s.old_logprob_flops) = COUNT(*)
            THEN COALESCE(SUM(s.old_logprob_flops), CASE WHEN t.origin = 'native' THEN 0.0 END)
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS old_logprob_flops,
    (SELECT CASE
            WHEN COUNT(s.reference_flops) = COUNT(*)
            THEN COALESCE(SUM(s.reference_flops), CASE WHEN t.origin = 'native' THEN 0.0 END)
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS reference_flops,
    (SELECT CASE
            WHEN COUNT(s.train_flops) = COUNT(*)
            THEN COALESCE(SUM(s.train_flops), CASE WHEN t.origin = 'native' THEN 0.0 END)
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS train_flops,
    (SELECT CASE
            WHEN COUNT(s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops) = COUNT(*)
            THEN COALESCE(
                SUM(s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops),
                CASE WHEN t.origin = 'native' THEN 0.0 END
            )
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS paid_flops,
    (SELECT CASE
            WHEN COUNT(s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops) = COUNT(*)
            THEN COALESCE(SUM(s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops), CASE
                WHEN t.origin = 'native' THEN 0.0
                WHEN EXISTS (
                    SELECT 1 FROM step c
                    WHERE c.trial_id = a.trial_id AND c.attempt = a.number AND c.generation_flops + c.old_logprob_flops + c.reference_flops + c.train_flops IS NOT NULL
                ) THEN 0.0
            END)
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number
            AND (a.live_through_step IS NULL OR s.step <= a.live_through_step)) AS useful_flops,
    (SELECT CASE
            WHEN COUNT(s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops) = COUNT(*)
            THEN COALESCE(SUM(s.generation_flops + s.old_logprob_flops + s.reference_flops + s.train_flops), CASE
                WHEN t.origin = 'native' THEN 0.0
                WHEN EXISTS (
                    SELECT 1 FROM step c
                    WHERE c.trial_id = a.trial_id AND c.attempt = a.number AND c.generation_flops + c.old_logprob_flops + c.reference_flops + c.train_flops IS NOT NULL
                ) THEN 0.0
            END)
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number
            AND s.step > a.live_through_step) AS lost_flops,
    (SELECT CASE
            WHEN COUNT(s.executed_generation_flops + s.executed_old_logprob_flops + s.executed_reference_flops + s.executed_train_flops) = COUNT(*)
            THEN COALESCE(
                SUM(s.executed_generation_flops + s.executed_old_logprob_flops + s.executed_reference_flops + s.executed_train_flops),
                CASE WHEN t.origin = 'native' THEN 0.0 END
            )
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS executed_flops,
    (SELECT SUM(e.evaluation_flops) FROM evaluation e WHERE e.trial_id = a.trial_id AND e.attempt = a.number)
        AS evaluation_flops,
    (SELECT CASE
            WHEN COUNT(s.step_seconds) = COUNT(*)
            THEN COALESCE(SUM(s.step_seconds), CASE WHEN t.origin = 'native' THEN 0.0 END)
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number) AS paid_seconds,
    (SELECT CASE
            WHEN COUNT(s.step_seconds) = COUNT(*)
            THEN COALESCE(SUM(s.step_seconds), CASE
                WHEN t.origin = 'native' THEN 0.0
                WHEN EXISTS (
                    SELECT 1 FROM step c
                    WHERE c.trial_id = a.trial_id AND c.attempt = a.number AND c.step_seconds IS NOT NULL
                ) THEN 0.0
            END)
        END
        FROM step s WHERE s.trial_id = a.trial_id AND s.attempt = a.number
            AND s.step > a.live_through_step) AS lost_seconds,
    a.num_gpus, a.gpu_peak_flops
FROM attempt a
JOIN trial t ON t.id = a.trial_id
LEFT JOIN model m ON m.id = t.model_id
