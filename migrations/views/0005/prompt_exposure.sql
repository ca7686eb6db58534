-- Prompts come in the order of the data set, and again in the same order when it has ended: so how often each was drawn
-- follows from how many were. Integers are divided whole on both databases.
CREATE VIEW prompt_exposure AS
SELECT
    t.id AS trial_id, t.model, t.tau, p.data_set_id, p.position, p.sha256, p.data_source,
    COALESCE(t.reached_samples, 0) / d.num_problems
        + CASE WHEN p.position < COALESCE(t.reached_samples, 0) % d.num_problems THEN 1 ELSE 0 END AS times_drawn
FROM trial t
JOIN data_set d ON d.id = t.data_set_id
JOIN problem p ON p.data_set_id = d.id
WHERE t.origin = 'native' AND d.num_problems > 0
