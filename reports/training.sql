-- Step
SELECT s.run, s.value AS "step [s]", t.value AS "tokens/day [tokens]", g.value AS "a GPU [tokens/s]",
  c.value AS "TFLOPS causal", n.value AS "non-causal", printf('%.1f %%', 100 * m.value) AS "MFU BF16 causal",
  printf('%.1f %%', 100 * mn.value) AS "non-causal BF16", printf('%.1f %%', 100 * f.value) AS "causal FP8",
  h.value AS "GPU-hours a trillion tokens"
FROM metric s
JOIN metric t ON t.run = s.run AND t.scope = 'run' AND t.name = 'tokens_per_day'
JOIN metric g ON g.run = s.run AND g.scope = 'run' AND g.name = 'tokens_per_gpu_second'
JOIN metric c ON c.run = s.run AND c.scope = 'run' AND c.name = 'tflops_causal'
JOIN metric n ON n.run = s.run AND n.scope = 'run' AND n.name = 'tflops_noncausal'
JOIN metric m ON m.run = s.run AND m.scope = 'run' AND m.name = 'mfu_bf16_causal'
JOIN metric mn ON mn.run = s.run AND mn.scope = 'run' AND mn.name = 'mfu_bf16_noncausal'
JOIN metric f ON f.run = s.run AND f.scope = 'run' AND f.name = 'mfu_fp8_causal'
JOIN metric h ON h.run = s.run AND h.scope = 'run' AND h.name = 'gpu_hours_per_trillion_tokens'
WHERE s.scope = 'run' AND s.name = 'step_time';

-- Where the time of a GPU goes (mean)
SELECT t.run, replace(replace(t.name, '_time', ''), '_', ' ') AS what, t.value AS "time [s]", printf('%.1f %%', 100 * t.value / s.value) AS share
FROM metric t JOIN metric s ON s.run = t.run AND s.scope = 'run' AND s.name = 'step_time'
WHERE t.scope = 'run' AND t.name IN ('forward_time', 'backward_time', 'weight_time', 'overlapped_time', 'bubble_time', 'optimizer_time', 'exposed_communication_time')
  OR (t.scope = 'run' AND t.name = 'host_time' AND t.value >= 0.0005 * s.value)
ORDER BY t.rowid;

-- By stage
SELECT l.run, l.scope AS stage, l.value AS layers, f.value AS "forward [s]", b.value AS "backward [s]", w.value AS "weight [s]", o.value AS "overlapped [s]",
  u.value AS "bubble [s]", z.value AS "optimizer [s]", e.value AS "exposed [s]", p.value AS "peak memory [B]"
FROM metric l
JOIN metric f ON f.run = l.run AND f.scope = l.scope AND f.name = 'forward_time'
JOIN metric b ON b.run = l.run AND b.scope = l.scope AND b.name = 'backward_time'
JOIN metric w ON w.run = l.run AND w.scope = l.scope AND w.name = 'weight_time'
JOIN metric o ON o.run = l.run AND o.scope = l.scope AND o.name = 'overlapped_time'
JOIN metric u ON u.run = l.run AND u.scope = l.scope AND u.name = 'bubble_time'
JOIN metric z ON z.run = l.run AND z.scope = l.scope AND z.name = 'optimizer_time'
JOIN metric e ON e.run = l.run AND e.scope = l.scope AND e.name = 'exposed_communication_time'
JOIN metric p ON p.run = l.run AND p.scope = l.scope AND p.name = 'peak_memory'
WHERE l.name = 'layers' ORDER BY l.rowid;

-- Memory of the fullest stage
SELECT run, part, bytes AS "size [B]" FROM memory m
WHERE scope = (SELECT scope FROM memory WHERE run = m.run GROUP BY scope ORDER BY sum(bytes) DESC, scope LIMIT 1) ORDER BY rowid;

-- Balance of the experts as placed
SELECT b.run, b.value AS "GPU load mean/max", i.value AS "max/mean - 1", m.value AS "hottest expert/mean", n.value AS "nodes a token", printf('%.2f %%', 100 * d.value) AS dropped
FROM metric b
JOIN metric i ON i.run = b.run AND i.scope = 'run' AND i.name = 'imbalance'
JOIN metric m ON m.run = b.run AND m.scope = 'run' AND m.name = 'expert_load_max_over_mean'
JOIN metric n ON n.run = b.run AND n.scope = 'run' AND n.name = 'nodes_per_token'
JOIN metric d ON d.run = b.run AND d.scope = 'run' AND d.name = 'tokens_dropped'
WHERE b.scope = 'run' AND b.name = 'balancedness';

-- Imbalance of the experts while their biases follow the load
SELECT run, substr(scope, 14) AS step, value AS "max/mean - 1" FROM metric WHERE name = 'expert_imbalance';

-- The whole run
SELECT run, replace(substr(name, 5), '_', ' ') AS what, value, unit FROM metric WHERE scope = 'run' AND name LIKE 'run\_%' ESCAPE '\';
