-- published: a plan has none
SELECT name, scope, value, value, source, source FROM published WHERE 0;
-- mappings: every way to lay a step out, and what became of it; the simulated ones first, fastest first
SELECT mapping, words, node, nodes, gpus, fate, reason, least_step, step_time, days, cost, mfu_bf16_causal, bubble_time,
  exposed_communication_time, peak_memory, pipeline, expert, tensor, data, schedule, recompute, run_days, run_cost, run_days_within
FROM mapping ORDER BY step_time IS NULL, days, cost, mapping;
-- chosen: the answer; days and cost of the whole run where it was simulated (means over its draws), of its steps alone elsewhere
SELECT words, node, nodes, gpus, coalesce(run_days, days) AS days, coalesce(run_cost, cost) AS cost, step_time,
  mfu_bf16_causal, peak_memory, reason, run_days, spare_nodes, run_days_within, run_cost_within, run_share_met FROM mapping
WHERE fate = 'chosen' ORDER BY mapping LIMIT 1;
-- nearest: what comes nearest where nothing meets the targets
SELECT words, node, nodes, gpus, coalesce(run_days, days) AS days, coalesce(run_cost, cost) AS cost, step_time,
  mfu_bf16_causal, peak_memory, reason FROM mapping
WHERE step_time IS NOT NULL ORDER BY run_days IS NULL AND EXISTS (SELECT 1 FROM mapping WHERE run_days IS NOT NULL),
  days, cost, mapping LIMIT 1;
-- scaling: the fastest on each kind and number of nodes
SELECT node, gpus, min(days) AS days, cost, words FROM mapping WHERE step_time IS NOT NULL GROUP BY node, gpus ORDER BY node, gpus;
-- fates: what became of the mappings
SELECT fate, count(*) AS mappings FROM mapping GROUP BY fate ORDER BY mappings DESC, fate;
-- reasons: why mappings fell, the same reason once
SELECT CASE WHEN instr(reason, ':') > 0 THEN substr(reason, 1, instr(reason, ':') - 1) ELSE reason END AS why,
  count(*) AS mappings, min(reason) AS example FROM mapping
WHERE reason <> '' AND fate NOT IN ('chosen', 'meets') GROUP BY why ORDER BY mappings DESC, why;
