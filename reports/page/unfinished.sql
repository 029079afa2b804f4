-- steps: training steps that were simulated, the fastest first
SELECT scenario, step_time, mfu_bf16_causal, bubble_time, exposed_communication_time, peak_memory FROM step_trial
ORDER BY step_time, rowid;
-- trials: deployments that were simulated, those with most tokens a GPU first
SELECT scenario, tokens_per_gpu_second, ttft_p90, tpot_p90, share, cost_per_million_tokens FROM trial
ORDER BY tokens_per_gpu_second DESC, rowid;
