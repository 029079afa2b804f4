-- Placements compared
SELECT b.run, substr(b.scope, 11) AS "strategy:slots", b.value AS "mean/max", i.value AS "max/mean - 1",
  printf('%.2f %%', 100 * g.value) AS "gap to the bound", n.value AS "nodes a token", m.value AS "experts a GPU [B]",
  p.value AS "prefill layer [s]", ps.value AS "prefill step [s]", d.value AS "decode layer [s]", ds.value AS "decode step [s]"
FROM metric b
JOIN metric i ON i.run = b.run AND i.scope = b.scope AND i.name = 'imbalance'
JOIN metric g ON g.run = b.run AND g.scope = b.scope AND g.name = 'gap_to_bound'
LEFT JOIN metric n ON n.run = b.run AND n.scope = b.scope AND n.name = 'nodes_per_token'
LEFT JOIN metric m ON m.run = b.run AND m.scope = b.scope AND m.name = 'expert_memory'
LEFT JOIN metric p ON p.run = b.run AND p.scope = b.scope AND p.name = 'prefill_layer_time'
LEFT JOIN metric ps ON ps.run = b.run AND ps.scope = b.scope AND ps.name = 'prefill_step_time'
LEFT JOIN metric d ON d.run = b.run AND d.scope = b.scope AND d.name = 'decode_layer_time'
LEFT JOIN metric ds ON ds.run = b.run AND ds.scope = b.scope AND ds.name = 'decode_step_time'
WHERE b.name = 'balancedness' AND b.scope LIKE 'placement:%' ORDER BY b.rowid;

-- What moves from the placement in force
SELECT v.run, substr(v.scope, 11) AS "strategy:slots", v.value AS experts, b.value AS "weights [B]", t.value AS "time [s]"
FROM metric v
LEFT JOIN metric b ON b.run = v.run AND b.scope = v.scope AND b.name = 'migration_bytes'
LEFT JOIN metric t ON t.run = v.run AND t.scope = v.scope AND t.name = 'migration_time'
WHERE v.name = 'moves' AND v.scope LIKE 'placement:%' ORDER BY v.rowid;

-- Balance by age of the plan, mean over plans
SELECT run, strategy, slots, printf('%g min', minutes) AS age, balancedness AS "mean/max", least AS "at least",
  printf('%.2f %%', 100 * gap_to_bound) AS "gap to the bound"
FROM drift ORDER BY rowid;
