-- published: a plan has none
SELECT name, scope, value, value, source, source FROM published WHERE 0;
-- candidates: every deployment, and what became of it
SELECT candidate, deployment, node, engine, gpus, nodes, cost_per_hour, cost_per_million_tokens, tokens_per_gpu_second,
  tokens_per_user_second, fate, reason, ttft_p90, tpot_p90, share, headroom, trials, estimated_cost FROM candidate ORDER BY candidate;
-- chosen: the answer
SELECT deployment, node, engine, gpus, nodes, cost_per_hour, cost_per_million_tokens, tokens_per_gpu_second,
  tokens_per_user_second, reason, headroom, ttft_p90, tpot_p90 FROM candidate WHERE fate = 'chosen' ORDER BY candidate LIMIT 1;
-- fates: what became of the deployments
SELECT fate, count(*) AS deployments FROM candidate GROUP BY fate ORDER BY deployments DESC, fate;
-- refused: why pools cannot be used
SELECT CASE WHEN instr(refused, ':') > 0 THEN substr(refused, 1, instr(refused, ':') - 1) ELSE refused END AS why,
  count(*) AS pools, min(refused) AS example FROM candidate_pool WHERE refused <> '' GROUP BY why ORDER BY pools DESC, why;
-- pools: every pool in closed form
SELECT pool, node, engine, role, tensor, data, experts_tensor, max_requests, max_tokens, overlap, gpus, rate, step, tpot,
  request_cost, refused FROM candidate_pool ORDER BY refused <> '', request_cost, pool;
-- ranked: the cheapest ones over several seeds, the first is the answer
SELECT what, standing FROM variation WHERE kind = 'rank' ORDER BY rowid;
-- choice: why the answer, of those that cost as much
SELECT standing FROM variation WHERE kind = 'choice';
-- variations: the answer again, and under other plans
SELECT kind, what, met, gpus, cost_per_hour, standing FROM variation WHERE kind <> 'choice' ORDER BY rowid;
-- limiters: what each simulated deployment spends most of its time on, and how far kernels may be off
SELECT candidate, limiter, kernel_error_median, kernel_error_p90, kernel_error_borrowed_p90 FROM candidate
WHERE limiter <> '' ORDER BY candidate;
