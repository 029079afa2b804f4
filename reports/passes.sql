-- Time of a pass
SELECT s.run, substr(s.scope, 7) AS phase, s.value AS "step [s]", l.value AS "layer [s]", t.value AS "tokens/s a GPU",
  printf('%.0f %%', 100 * (SELECT value FROM metric WHERE run = s.run AND scope = s.scope AND name = 'compute_time') / s.value) AS computing,
  printf('%.0f %%', 100 * e.value) AS "exposed communication", printf('%.0f %%', 100 * w.value) AS "waiting for slower GPUs"
FROM metric s
JOIN metric l ON l.run = s.run AND l.scope = s.scope AND l.name = 'layer_time'
JOIN metric t ON t.run = s.run AND t.scope = s.scope AND t.name = 'tokens_per_gpu_second'
JOIN metric e ON e.run = s.run AND e.scope = s.scope AND e.name = 'exposed_communication_share'
JOIN metric w ON w.run = s.run AND w.scope = s.scope AND w.name = 'straggler_share'
WHERE s.name = 'step_time' AND s.scope LIKE 'phase:%' ORDER BY s.rowid;

-- Balance of the experts as placed
SELECT b.run, substr(b.scope, 7) AS phase, b.value AS "GPU load mean/max", i.value AS "max/mean - 1",
  m.value AS "hottest expert/mean", g.value AS "Gini of experts", n.value AS "nodes a token"
FROM metric b
JOIN metric i ON i.run = b.run AND i.scope = b.scope AND i.name = 'imbalance'
JOIN metric m ON m.run = b.run AND m.scope = b.scope AND m.name = 'expert_load_max_over_mean'
JOIN metric g ON g.run = b.run AND g.scope = b.scope AND g.name = 'expert_load_gini'
JOIN metric n ON n.run = b.run AND n.scope = b.scope AND n.name = 'nodes_per_token'
WHERE b.name = 'balancedness' AND b.scope LIKE 'phase:%' ORDER BY b.rowid;

-- Hottest experts
SELECT run, phase, layer, expert, tokens, printf('%.1f x the layer''s mean', max_over_mean) AS load
FROM (SELECT *, row_number() OVER (PARTITION BY run, phase ORDER BY max_over_mean DESC) AS place FROM hottest_expert)
WHERE place <= 2 ORDER BY run, phase DESC, place;

-- Busiest and idlest GPUs
SELECT run, gpu, node, expert_rows AS "expert rows", compute_time AS "computing [s]", exposed_time AS "exposed communication [s]",
  straggler_time AS "waiting for slower GPUs [s]"
FROM (SELECT *, row_number() OVER (PARTITION BY run ORDER BY compute_time DESC, gpu) AS hot, row_number() OVER (PARTITION BY run ORDER BY compute_time, gpu) AS cold FROM gpu)
WHERE hot <= 2 OR cold <= 1 ORDER BY run, compute_time DESC, gpu;

-- Memory of a GPU
SELECT run, substr(scope, 7) AS phase, part, bytes AS "size [B]" FROM memory WHERE bytes >= 1e8 ORDER BY run, scope DESC, bytes DESC;
