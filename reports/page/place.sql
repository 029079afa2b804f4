-- published: what others measured, beside this run's
SELECT p.name, p.scope, p.value AS published, m.value AS simulated, m.unit, p.source
FROM published p JOIN metric m USING (run, name, scope) ORDER BY p.rowid;
-- plans: figures of every plan; scope is placement:STRATEGY:SLOTS, then planned on and scored on
SELECT scope, name, value, unit FROM metric WHERE scope LIKE 'placement:%' ORDER BY rowid;
-- maps: whose loads by layer and GPU are kept, the one nearest to its bound first
SELECT scope FROM gpu_load GROUP BY scope ORDER BY min(rowid);
-- map: load of each GPU over its layer's mean
SELECT layer, gpu, load FROM gpu_load WHERE scope = ?1 ORDER BY layer, gpu;
-- bounds: of each layer the balance that no placement is above, of the placement that the tables hold
SELECT CAST(substr(scope, 7) AS INTEGER) AS layer, value FROM metric
WHERE name = 'balancedness_bound' AND scope LIKE 'layer:%' ORDER BY layer;
-- experts: share of the tokens that the busiest experts take, mean over layers
WITH ranked AS (SELECT layer, tokens / sum(tokens) OVER (PARTITION BY layer) AS share,
    row_number() OVER (PARTITION BY layer ORDER BY tokens) AS place FROM expert_load)
SELECT place, avg(share) AS share FROM ranked GROUP BY place ORDER BY place;
-- copies: how many slots hold each expert, of the best plan
SELECT copies, count(*) AS experts FROM (SELECT layer, expert, count(*) AS copies FROM placement WHERE expert >= 0 GROUP BY layer, expert)
GROUP BY copies ORDER BY copies;
-- traffic: who sends to whom; of a plan, between GPUs or between nodes
SELECT source, destination, copies, bytes FROM gpu_traffic WHERE scope = ?1 AND level = ?2 ORDER BY source, destination;
-- traffic_of: the plans of which that is kept, the most even first
SELECT scope, level, count(*) AS pairs FROM gpu_traffic GROUP BY scope, level ORDER BY min(rowid);
-- drift: balance by the age of a plan
SELECT strategy, slots, minutes, balancedness, least, gap_to_bound, plans FROM drift ORDER BY rowid;
