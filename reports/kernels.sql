-- Where kernel times come from
SELECT run, replace(replace(name, 'kernel_time_', ''), '_share', '') AS origin, printf('%.0f %%', 100 * value) AS share
FROM metric WHERE scope = 'run' AND name LIKE 'kernel_time_%_share' AND value > 0;

-- How far single kernels that were measured are from the equations
SELECT m.run, printf('%.1f %%', 100 * m.value) AS "median error", printf('%.1f %%', 100 * p.value) AS "90th percentile"
FROM metric m JOIN metric p ON p.run = m.run AND p.scope = m.scope WHERE m.scope = 'run' AND m.name = 'kernel_error_median' AND p.name = 'kernel_error_p90';

-- How far kernels with another GPU generation's efficiencies were off where both were measured
SELECT m.run, printf('%.1f %%', 100 * m.value) AS "median error", printf('%.1f %%', 100 * p.value) AS "90th percentile"
FROM metric m JOIN metric p ON p.run = m.run AND p.scope = m.scope WHERE m.scope = 'run' AND m.name = 'kernel_error_borrowed_median' AND p.name = 'kernel_error_borrowed_p90';

-- Farthest outside the fitted range
SELECT run, substr(scope, 8) AS kernel, printf('%.3g x', value) AS "beyond the range" FROM metric
WHERE name = 'largest_extrapolation' AND scope LIKE 'kernel:%';
