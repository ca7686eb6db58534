CREATE VIEW fit_summary AS
SELECT
    f.id AS fit_id, f.sweep_id, w.name AS sweep, f.created_at, f.rlsweep_version, f.scope, f.x, f.benchmark,
    f.protocol, f.k_form, f.estimator, f.status, f.summary,
    k.estimate AS k_max, k.low AS k_max_low, k.high AS k_max_high,
    n.estimate AS n_0, n.low AS n_0_low, n.high AS n_0_high,
    f.num_points, f.num_effective, f.num_sizes, f.num_runs, f.r2, f.r2_size_means, f.aicc,
    (SELECT MAX(ABS(h.relative_error)) FROM fit_holdout h WHERE h.fit_id = f.id AND h.mode <> 'in_sample')
        AS worst_forecast_error,
    (SELECT COUNT(*) FROM fit_check c WHERE c.fit_id = f.id AND c.severity = 'warning') AS warnings
FROM fit f
LEFT JOIN sweep w ON w.id = f.sweep_id
LEFT JOIN fit_parameter k ON k.fit_id = f.id AND k.name = 'K_max' AND k.num_params IS NULL
LEFT JOIN fit_parameter n ON n.fit_id = f.id AND n.name = 'N_0' AND n.num_params IS NULL
