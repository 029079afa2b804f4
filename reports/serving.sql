-- Warnings
SELECT run, name AS warning, CASE scope WHEN 'run' THEN '' ELSE substr(scope, 6) || ': ' END || text AS "what it does to the figures" FROM warning WHERE text NOT LIKE 'not compared: %' ORDER BY rowid;
-- Requests
SELECT run, substr(name, 10) AS requests, CAST(value AS INTEGER) AS count FROM metric
WHERE scope = 'run' AND name IN ('requests_arrived', 'requests_finished', 'requests_running', 'requests_waiting', 'requests_rejected', 'requests_retried', 'requests_measured')
ORDER BY rowid;
-- Latency
SELECT n.run, a.what AS latency, mean.value AS "mean [s]", p50.value AS "p50 [s]", p90.value AS "p90 [s]", p95.value AS "p95 [s]", p99.value AS "p99 [s]", p999.value AS "p99.9 [s]", n.value AS "of"
FROM (SELECT 1 AS place, 'ttft' AS what UNION SELECT 2, 'tpot' UNION SELECT 3, 'itl' UNION SELECT 4, 'e2e' UNION SELECT 5, 'queue' UNION SELECT 6, 'step_time') a
JOIN metric n ON n.scope = 'run' AND n.name = a.what || '_count'
LEFT JOIN metric mean ON mean.run = n.run AND mean.scope = 'run' AND mean.name = a.what || '_mean'
LEFT JOIN metric p50 ON p50.run = n.run AND p50.scope = 'run' AND p50.name = a.what || '_p50'
LEFT JOIN metric p90 ON p90.run = n.run AND p90.scope = 'run' AND p90.name = a.what || '_p90'
LEFT JOIN metric p95 ON p95.run = n.run AND p95.scope = 'run' AND p95.name = a.what || '_p95'
LEFT JOIN metric p99 ON p99.run = n.run AND p99.scope = 'run' AND p99.name = a.what || '_p99'
LEFT JOIN metric p999 ON p999.run = n.run AND p999.scope = 'run' AND p999.name = a.what || '_p999'
ORDER BY n.run, a.place;
-- Throughput, cost and energy
SELECT run, name, value, unit FROM metric WHERE scope = 'run' AND name IN ('window_start', 'window_end', 'request_rate', 'request_throughput', 'goodput', 'goodput_share', 'slo_share', 'open_share', 'concurrency', 'gpus', 'tokens_per_gpu_second', 'output_tokens_per_gpu_second', 'tokens_per_user_second', 'input_tokens_per_node_second', 'output_tokens_per_node_second', 'cost_per_hour', 'cost_per_million_tokens', 'cost_per_million_input_tokens', 'cost_per_million_output_tokens', 'energy_per_output_token', 'kv_hit_rate', 'balancedness')
ORDER BY run, instr('window_start, window_end, request_rate, request_throughput, goodput, goodput_share, slo_share, open_share, concurrency, gpus, tokens_per_gpu_second, output_tokens_per_gpu_second, tokens_per_user_second, input_tokens_per_node_second, output_tokens_per_node_second, cost_per_hour, cost_per_million_tokens, cost_per_million_input_tokens, cost_per_million_output_tokens, energy_per_output_token, kv_hit_rate, balancedness', name);
-- Pools, means over the window
SELECT n.run, substr(n.scope, 6) AS pool, CAST(n.value AS INTEGER) AS instances, u.value AS utilisation, g.value AS load, r.value AS running, w.value AS waiting, b.value AS batch, m.value AS "KV", k.value AS "KV peak", c.value AS "KV capacity [tokens]", s.value AS "step [s]", l.value AS balancedness
FROM metric n
JOIN metric u ON u.run = n.run AND u.scope = n.scope AND u.name = 'utilisation'
LEFT JOIN metric g ON g.run = n.run AND g.scope = n.scope AND g.name = 'load'
JOIN metric r ON r.run = n.run AND r.scope = n.scope AND r.name = 'running_mean'
JOIN metric w ON w.run = n.run AND w.scope = n.scope AND w.name = 'waiting_mean'
JOIN metric b ON b.run = n.run AND b.scope = n.scope AND b.name = 'batch_mean'
JOIN metric m ON m.run = n.run AND m.scope = n.scope AND m.name = 'kv_mean'
JOIN metric k ON k.run = n.run AND k.scope = n.scope AND k.name = 'kv_peak'
JOIN metric c ON c.run = n.run AND c.scope = n.scope AND c.name = 'kv_capacity'
LEFT JOIN metric s ON s.run = n.run AND s.scope = n.scope AND s.name = 'step_time_mean'
JOIN metric l ON l.run = n.run AND l.scope = n.scope AND l.name = 'balancedness'
WHERE n.name = 'instances' ORDER BY n.rowid;
-- A GPU and a user of each pool
SELECT n.run, substr(n.scope, 6) AS pool, n.value AS "GPUs", c.value AS "an hour [USD]", i.value AS "in a GPU [tokens/s]", o.value AS "out a GPU [tokens/s]", t.value AS "both a GPU [tokens/s]", u.value AS "a user [tokens/s]", m.value AS "10^6 tokens [USD]"
FROM metric n
JOIN metric c ON c.run = n.run AND c.scope = n.scope AND c.name = 'cost_per_hour'
JOIN metric i ON i.run = n.run AND i.scope = n.scope AND i.name = 'input_tokens_per_gpu_second'
JOIN metric o ON o.run = n.run AND o.scope = n.scope AND o.name = 'output_tokens_per_gpu_second'
JOIN metric t ON t.run = n.run AND t.scope = n.scope AND t.name = 'tokens_per_gpu_second'
LEFT JOIN metric u ON u.run = n.run AND u.scope = n.scope AND u.name = 'tokens_per_user_second'
LEFT JOIN metric m ON m.run = n.run AND m.scope = n.scope AND m.name = 'cost_per_million_tokens'
WHERE n.name = 'gpus' AND n.scope LIKE 'pool:%' ORDER BY n.rowid;
-- What limits each pool: share of its time spent on, or waiting for
SELECT run, substr(scope, 6) AS pool, substr(name, 7) AS limit_by, value AS share FROM
  (SELECT run, scope, name, value, rowid AS place, row_number() OVER (PARTITION BY run, scope ORDER BY value DESC) AS rank FROM metric WHERE name LIKE 'limit\_%' ESCAPE '\')
WHERE rank <= 4 AND value > 0 ORDER BY run, scope, rank;
-- What limited throughput
SELECT run, substr(scope, 6, instr(scope, ',limit:') - 6) AS pool, substr(scope, instr(scope, ',limit:') + 7) AS bottleneck, value AS "share of its time" FROM metric WHERE name = 'bottleneck';
-- Where kernel times come from, each kernel counted as often as it was priced
SELECT run, substr(scope, 6) AS pool, replace(replace(name, 'kernel_time_', ''), '_share', '') AS origin, printf('%.0f %%', 100 * value) AS share
FROM metric WHERE scope LIKE 'pool:%' AND name LIKE 'kernel_time_%_share' AND value > 0 ORDER BY rowid;
-- How far single kernels that were measured are from the equations
SELECT m.run, substr(m.scope, 6) AS pool, printf('%.1f %%', 100 * m.value) AS "median error", printf('%.1f %%', 100 * p.value) AS "90th percentile"
FROM metric m JOIN metric p ON p.run = m.run AND p.scope = m.scope WHERE m.scope LIKE 'pool:%' AND m.name = 'kernel_error_median' AND p.name = 'kernel_error_p90' ORDER BY m.rowid;
-- How far kernels with another GPU generation's efficiencies were off where both were measured
SELECT m.run, substr(m.scope, 6) AS pool, printf('%.1f %%', 100 * m.value) AS "median error", printf('%.1f %%', 100 * p.value) AS "90th percentile"
FROM metric m JOIN metric p ON p.run = m.run AND p.scope = m.scope WHERE m.scope LIKE 'pool:%' AND m.name = 'kernel_error_borrowed_median' AND p.name = 'kernel_error_borrowed_p90' ORDER BY m.rowid;
-- Farthest outside the fitted range
SELECT run, substr(scope, 6, instr(scope, ',') - 6) AS pool, substr(scope, instr(scope, ',') + 8) AS kernel, printf('%.3g x', value) AS "beyond the range"
FROM metric WHERE name = 'largest_extrapolation' AND scope LIKE 'pool:%,kernel:%' ORDER BY rowid;
-- Over the run, means of each twelfth
WITH moment AS (SELECT run, scope, time, row_number() OVER (PARTITION BY run, scope ORDER BY rowid) AS place, count(*) OVER (PARTITION BY run, scope) AS n FROM series WHERE name = 'instances_on'),
  span AS (SELECT run, scope, time, (place - 1) * 12 / n AS twelfth FROM moment)
SELECT run, substr(scope, 6) AS pool, max(time) AS "until [s]", avg(CASE name WHEN 'instances_on' THEN value END) AS instances, avg(CASE name WHEN 'running' THEN value END) AS running, avg(CASE name WHEN 'waiting' THEN value END) AS waiting, avg(CASE name WHEN 'utilisation' THEN value END) AS utilisation, avg(CASE name WHEN 'kv_occupancy' THEN value END) AS "KV", avg(CASE name WHEN 'kv_hit_rate' THEN value END) AS hits, avg(CASE name WHEN 'output_tokens_per_second' THEN value END) AS "generated [tokens/s]"
FROM span JOIN series USING (run, scope, time) GROUP BY run, scope, twelfth ORDER BY run, pool, 3;
-- Bytes on links, of all instances
SELECT run, substr(scope, 7) AS kind, value AS "carried [B]" FROM metric WHERE name = 'link_bytes' ORDER BY rowid;
-- Faults
SELECT run, substr(scope, 7) AS fault, max(CASE name WHEN 'recovery_time' THEN value END) AS "recovery [s]", CAST(max(CASE name WHEN 'lost_tokens' THEN value END) AS INTEGER) AS "lost tokens", CAST(max(CASE name WHEN 'retried_requests' THEN value END) AS INTEGER) AS "retried", max(CASE name WHEN 'masked_share' THEN value END) AS "masked share"
FROM metric WHERE scope LIKE 'fault:%' GROUP BY run, scope ORDER BY min(rowid);
-- Rebalancing
SELECT run, substr(scope, 6) AS pool, CAST(max(CASE name WHEN 'rebalances' THEN value END) AS INTEGER) AS plans, max(CASE name WHEN 'rebalance_bytes' THEN value END) AS "moved [B]", max(CASE name WHEN 'rebalance_time' THEN value END) AS "standstill [s]", max(CASE name WHEN 'rebalance_load_age' THEN value END) AS "age of loads [s]", max(CASE name WHEN 'rebalance_balancedness_before' THEN value END) AS before, max(CASE name WHEN 'rebalance_balancedness_hoped' THEN value END) AS hoped, max(CASE name WHEN 'rebalance_balancedness_after' THEN value END) AS after
FROM metric WHERE name LIKE 'rebalance%' AND scope NOT LIKE '%,plan:%' GROUP BY run, scope ORDER BY min(rowid);
-- Rejected requests, the first twenty
SELECT run, request, reason, input_tokens AS input, output_tokens AS output FROM
  (SELECT *, row_number() OVER (PARTITION BY run ORDER BY request) AS place FROM request WHERE state = 'rejected')
WHERE place <= 20 ORDER BY run, request;
