-- Reads the progress that the store keeps with each trial, never the steps: thousands of trials are listed at once.
CREATE VIEW trial_status AS
SELECT
    st.sweep_id, w.name AS sweep, st.trial_id, st.position, t.model, t.seed, t.state, t.hold, t.priority, t.origin,
    m.num_params,
    a.number AS attempt, a.state AS attempt_state, a.phase, a.phase_detail, a.started_at, a.ended_at,
    a.lease_expires_at, a.failure_class, a.outcome, a.message,
    t.reached_step AS step, st.budget_unit, st.budget_last,
    CAST(CASE st.budget_unit
        WHEN 'steps' THEN t.reached_step
        WHEN 'samples' THEN COALESCE(t.reached_samples, 0)
        WHEN 'tokens' THEN COALESCE(t.reached_tokens, 0)
        WHEN 'flops' THEN COALESCE(t.reached_flops, 0)
        WHEN 'gpu_hours' THEN COALESCE(t.reached_gpu_seconds, 0) / 3600
    END AS DOUBLE PRECISION) AS spent,
    t.reached_seconds AS train_seconds,
    1.0 - t.first_score AS first_loss,
    1.0 - t.last_score AS last_loss
FROM sweep_trial st
JOIN sweep w ON w.id = st.sweep_id
JOIN trial t ON t.id = st.trial_id
LEFT JOIN model m ON m.id = t.model_id
LEFT JOIN attempt a ON a.trial_id = t.id AND a.number = t.attempts
