-- published: what others measured, beside this run's
SELECT p.name, p.scope, p.value AS published, m.value AS simulated, m.unit, p.source
FROM published p JOIN metric m USING (run, name, scope) ORDER BY p.rowid;
-- parts: where the seconds of a step go, mean over GPUs
SELECT name, value AS seconds, value / (SELECT value FROM metric WHERE scope = 'run' AND name = 'step_time') AS share
FROM metric WHERE scope = 'run' AND name IN ('overlapped_time', 'forward_time', 'backward_time', 'weight_time',
  'optimizer_time', 'host_time', 'bubble_time', 'exposed_communication_time');
-- instructions: what the pipeline of the first step did, one GPU a stage
SELECT stage, name, chunk, micro_batch, start, "end" FROM instruction ORDER BY stage, start;
-- stages: where each stage's time goes, mean over its GPUs
SELECT stage, name, time FROM stage ORDER BY stage, rowid;
-- memory: what fills a GPU of each stage
SELECT CAST(substr(scope, 7) AS INTEGER) AS stage, part, bytes FROM memory WHERE scope LIKE 'stage:%' ORDER BY stage, rowid;
-- origins: where kernel times come from
SELECT scope, name, value FROM metric WHERE name LIKE 'kernel\_time\_%\_share' ESCAPE '\' AND scope = 'run' AND value > 0 ORDER BY rowid;
-- gpus: where each GPU's time goes
SELECT gpu, stage, compute_time, exposed_time, idle_time FROM gpu ORDER BY gpu;
-- whole_run: a training run with its failures
SELECT name, value, unit FROM metric WHERE scope = 'run' AND name LIKE 'run\_%' ESCAPE '\' ORDER BY rowid;
-- memory_over_time: most in use while each instruction ran that ends then, first GPU of each stage
SELECT CAST(substr(scope, 7) AS INTEGER) AS stage, time, value FROM series WHERE name = 'memory_in_use' ORDER BY stage, time;
-- incidents: what interrupted the whole run
SELECT time, kind, tokens, lost, waiting, restart FROM incident ORDER BY time;
