-- published: what others measured, beside this run's
SELECT p.name, p.scope, p.value AS published, m.value AS simulated, m.unit, p.source
FROM published p JOIN metric m USING (run, name, scope) ORDER BY p.rowid;
-- latency: how long requests took, as shares of those measured
SELECT share, time FROM latency WHERE name = ?1 ORDER BY share;
-- over_time: means of 120 stretches of the run at most
WITH numbered AS (SELECT scope, time, value, unit, row_number() OVER (PARTITION BY scope ORDER BY time) - 1 AS place,
  count(*) OVER (PARTITION BY scope) AS n FROM series WHERE name = ?1)
SELECT substr(scope, 6) AS pool, max(time) AS until, avg(value) AS value, max(unit) AS unit
FROM numbered GROUP BY scope, CASE WHEN n <= 120 THEN place ELSE place * 120 / n END ORDER BY pool, until;
-- limits: share of its time that a pool spends on, or waits for
SELECT substr(scope, 6) AS pool, substr(name, 7) AS what, value AS share FROM metric
WHERE name LIKE 'limit\_%' ESCAPE '\' AND scope NOT LIKE '%,%' AND value > 0 ORDER BY scope, value DESC;
-- step_parts: a step's time by kind of work, all layers, mean over steps
SELECT substr(scope, 6, instr(scope, ',') - 6) AS pool, name, sum(value) AS seconds FROM metric
WHERE scope LIKE 'pool:%,layer:%' AND name IN ('attention_in_time', 'attention_core_time', 'shared_time', 'dispatch_time',
  'experts_time', 'combine_time') GROUP BY pool, name HAVING seconds > 0 ORDER BY pool, seconds DESC;
-- layers: how even each layer's load is over the GPUs
SELECT substr(scope, 6, instr(scope, ',') - 6) AS pool, CAST(substr(scope, instr(scope, ',layer:') + 7) AS INTEGER) AS layer, value
FROM metric WHERE name = 'balancedness' AND scope LIKE 'pool:%,layer:%' ORDER BY pool, layer;
-- memory: what fills a GPU of each pool
SELECT substr(scope, 6) AS pool, part, bytes FROM memory
WHERE scope LIKE 'pool:%' AND part NOT LIKE 'buffers:%' ORDER BY scope, rowid;
-- kv_peak: of the KV cache, the share that was in use at most
SELECT substr(scope, 6) AS pool, value AS share FROM metric
WHERE name = 'kv_peak' AND scope LIKE 'pool:%' AND scope NOT LIKE '%,%' ORDER BY scope;
-- experts: load of each expert over its layer's mean
SELECT e.layer, e.expert, e.tokens / m.mean AS load FROM expert_load e
JOIN (SELECT layer, phase, avg(tokens) AS mean FROM expert_load GROUP BY layer, phase) m USING (layer, phase)
WHERE e.phase = (SELECT phase FROM expert_load GROUP BY phase ORDER BY sum(tokens) DESC, phase LIMIT 1) AND m.mean > 0
ORDER BY e.layer, e.expert;
-- pools: what each pool is and does, means over the window
SELECT substr(scope, 6) AS pool, name, value, unit FROM metric WHERE scope LIKE 'pool:%' AND scope NOT LIKE '%,%' AND name IN (
  'instances', 'gpus', 'utilisation', 'load', 'batch_mean', 'running_mean', 'waiting_mean', 'kv_mean', 'kv_peak', 'kv_capacity',
  'step_time_mean', 'step_time_p99', 'input_tokens_per_gpu_second', 'output_tokens_per_gpu_second', 'tokens_per_user_second',
  'cost_per_hour', 'cost_per_million_tokens', 'balancedness', 'preemptions', 'kv_hit_rate') ORDER BY scope, rowid;
-- faults: what failed, and what it took
SELECT substr(scope, 7) AS fault, name, value, unit FROM metric WHERE scope LIKE 'fault:%' ORDER BY rowid;
-- rebalancing: new plans while it runs
SELECT substr(scope, 6) AS pool, name, value, unit FROM metric
WHERE name LIKE 'rebalance%' AND scope NOT LIKE '%,plan:%' ORDER BY rowid;
-- bottleneck: what the pool with the highest load spends most of its time on
SELECT substr(scope, 6, instr(scope, ',limit:') - 6) AS pool, substr(scope, instr(scope, ',limit:') + 7) AS what, value
FROM metric WHERE name = 'bottleneck';
-- rebalanced: when new placements were made
SELECT DISTINCT value FROM metric WHERE name = 'rebalance_at' ORDER BY value;
