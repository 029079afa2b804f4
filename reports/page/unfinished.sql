-- steps: training steps of the whole batch that were simulated, the fastest first
SELECT scenario, step_time, mfu_bf16_causal, bubble_time, exposed_communication_time, peak_memory FROM step_trial
WHERE batch = 0 ORDER BY step_time, rowid;
-- trials: deployments that were simulated, the cheapest first
SELECT scenario, cost_per_million_tokens, tokens_per_gpu_second, ttft_p90, tpot_p90, share, ttft_mean, ttft_p50, ttft_p99,
  tpot_mean, tpot_p50, tpot_p99, itl_mean, itl_p50, itl_p90, itl_p99, e2e_mean, e2e_p50, e2e_p90, e2e_p99, piled_up FROM trial
ORDER BY cost_per_million_tokens, tokens_per_gpu_second DESC, rowid;
