-- published: what others measured, beside this run's
SELECT p.name, p.scope, p.value AS published, m.value AS simulated, m.unit, p.source
FROM published p JOIN metric m USING (run, name, scope) ORDER BY p.rowid;
-- parts: where the time of a pass or step goes, mean over GPUs
SELECT substr(scope, 7) AS phase, name, value FROM metric WHERE scope LIKE 'phase:%' AND scope NOT LIKE '%,%'
AND name IN ('step_time', 'compute_time', 'exposed_communication_time', 'straggler_time') ORDER BY scope DESC, rowid;
-- gpus: where each GPU's time goes, all phases
SELECT gpu, compute_time, exposed_time, straggler_time, expert_rows FROM gpu ORDER BY gpu;
-- layers: how even each layer's load is over the GPUs
SELECT replace(name, '_balancedness', '') AS phase, CAST(substr(scope, 7) AS INTEGER) AS layer, value FROM metric
WHERE name IN ('prefill_balancedness', 'decode_balancedness') AND scope LIKE 'layer:%' ORDER BY phase DESC, layer;
-- gpu_loads: load of each GPU over its layer's mean; copies of an expert share it evenly
WITH copies AS (SELECT layer, expert, count(*) AS n FROM placement WHERE expert >= 0 GROUP BY layer, expert),
  loads AS (SELECT p.layer, p.gpu, sum(l.tokens / c.n) AS tokens FROM placement p JOIN copies c USING (layer, expert)
    JOIN expert_load l USING (layer, expert) WHERE l.phase = ?1 GROUP BY p.layer, p.gpu)
SELECT layer, gpu, tokens / avg(tokens) OVER (PARTITION BY layer) AS load FROM loads ORDER BY layer, gpu;
-- experts: share of the tokens that the busiest experts take, mean over layers
WITH ranked AS (SELECT layer, tokens / sum(tokens) OVER (PARTITION BY layer) AS share,
    row_number() OVER (PARTITION BY layer ORDER BY tokens) AS place FROM expert_load WHERE phase = ?1)
SELECT place, avg(share) AS share FROM ranked GROUP BY place ORDER BY place;
-- memory: what fills a GPU
SELECT substr(scope, 7) AS phase, part, bytes FROM memory WHERE scope LIKE 'phase:%' ORDER BY scope DESC, rowid;
-- links: the busiest of each kind
SELECT kind, name, utilisation, bytes FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY utilisation DESC, name) AS place FROM link)
WHERE place <= 2 ORDER BY utilisation DESC, name;
-- nodes: bytes from node to node
SELECT a.node AS source, b.node AS destination, sum(p.bytes) AS bytes FROM pair p JOIN gpu a ON a.gpu = p.source
JOIN gpu b ON b.gpu = p.destination GROUP BY a.node, b.node ORDER BY a.node, b.node;
