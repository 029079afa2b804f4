-- Where kernel times come from
SELECT replace(replace(name, 'kernel_time_', ''), '_share', '') AS origin, printf('%.0f %%', 100 * value) AS share
FROM metric WHERE scope = 'run' AND name LIKE 'kernel_time_%_share' AND value > 0;

-- Farthest outside the fitted range
SELECT substr(scope, 8) AS kernel, printf('%.3g x', value) AS "beyond the range" FROM metric
WHERE name = 'largest_extrapolation' AND scope LIKE 'kernel:%';
