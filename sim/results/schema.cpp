#include "results/schema.h"

#include <fmt/format.h>

#include "core/check.h"
#include "results/schema_sizing.h"
#include "results/schema_studies.h"

namespace moesim::results {
namespace {
constexpr Column kRun[] = {
    {"run", "INTEGER PRIMARY KEY", "", "number of the run, 1 unless several were merged"},
    {"title", "TEXT", "", "the scenario's title"},
    {"study", "TEXT", "", "passes, training, serving, place, size or validate"},
    {"file", "TEXT", "", "the scenario's file as given"},
    {"scenario", "TEXT", "", "the scenario's text"},
    {"resolved", "TEXT", "", "every value in force, defaults included, as key.path: value lines"},
    {"seed", "INTEGER", "", "the seed of all random streams"},
    {"version", "TEXT", "", "the program that wrote it: version, commit, schema, hash of the calibrations, compiler"},
    {"state", "TEXT", "",
     "complete, unanswered (simulations of a plan, without its answer), interrupted, failed, or running (it still is, "
     "or "
     "the program was killed)"},
    {"fingerprint", "TEXT", "", "hash of every event executed; equal runs have equal fingerprints"},
    {"events", "INTEGER", "", "events executed"},
    {"simulated_time", "REAL", "s", "clock of the simulation at the end"},
    {"wall_time", "REAL", "s", "time the program took; differs from run to run"},
    {"peak_rss", "INTEGER", "B", "most memory the program held; differs from run to run"},
};
constexpr Column kAssumption[] = {
    {"run", "INTEGER", "", "run.run"},
    {"scope", "TEXT", "", "run, or the part of it that this holds for: pool:prefill"},
    {"name", "TEXT", "", "what was decided: precision"},
    {"value", "TEXT", "", "what was taken"},
    {"reason", "TEXT", "", "why: as asked, as released, or what stood in the way of that"},
};
constexpr Column kOption[] = {
    {"run", "INTEGER", "", "run.run"},
    {"name", "TEXT", "", "the option: --set, --seed, ...; sweep: the file that a sweep was run from"},
    {"value", "TEXT", "", "as it was given: key.path=value"},
};
constexpr Column kWarning[] = {
    {"run", "INTEGER", "", "run.run"},
    {"scope", "TEXT", "", "run, or the part of it that this holds for: pool:prefill"},
    {"name", "TEXT", "", "what is so: saturated, rejected, ..."},
    {"text", "TEXT", "", "what it does to the figures, with its numbers"},
};
constexpr Column kMetric[] = {
    {"run", "INTEGER", "", "run.run"},
    {"name", "TEXT", "", "what was measured: metrics.md"},
    {"value", "REAL", "", "in the unit beside it, SI"},
    {"unit", "TEXT", "", "s, B, tokens/s, FLOP/s, J, USD, ... or empty for a ratio or count"},
    {"scope", "TEXT", "", "run, or a part of it: stage:3, layer:9, phase:decode, pool:both, \"pool:both,layer:9\""},
};
constexpr Column kSeries[] = {
    {"run", "INTEGER", "", "run.run"},
    {"name", "TEXT", "", "what was measured: metrics.md, scope .../time"},
    {"scope", "TEXT", "", "the part of the run, as in `metric`: pool:both"},
    {"time", "REAL", "s", "when, from the start of the run; of a rate, the end of its interval"},
    {"value", "REAL", "", "in the unit beside it, SI"},
    {"unit", "TEXT", "", "as in `metric`"},
};
constexpr Column kLatency[] = {
    {"run", "INTEGER", "", "run.run"},
    {"name", "TEXT", "", "ttft, tpot, e2e or queue: metrics.md, `ttft_*`"},
    {"share", "REAL", "", "of the measured requests, from 0.01 on"},
    {"time", "REAL", "s", "by which so many have ended; shares that are not known are left out"},
};
constexpr Column kGpu[] = {
    {"run", "INTEGER", "", "run.run"},
    {"gpu", "INTEGER", "", "number of the GPU, from 0"},
    {"node", "INTEGER", "", "the node it is in"},
    {"stage", "INTEGER", "", "pipeline stage, or null"},
    {"compute_time", "REAL", "s", "compute stream busy"},
    {"communication_time", "REAL", "s", "communication streams busy"},
    {"exposed_time", "REAL", "s",
     "waiting for bytes under way with nothing to compute; in training, for slower GPUs of the exchange too"},
    {"idle_time", "REAL", "s",
     "the rest of its steps, neither computing nor so waiting: pipeline bubbles, slower GPUs, work outside layers"},
    {"straggler_time", "REAL", "s",
     "of idle_time, waiting for slower GPUs of its group to join an exchange; null where not told apart"},
    {"expert_rows", "INTEGER", "", "token-expert rows its experts computed"},
    {"peak_memory", "INTEGER", "B", "most memory in use"},
};
constexpr Column kLink[] = {
    {"run", "INTEGER", "", "run.run"},
    {"link", "INTEGER", "", "number of the link"},
    {"name", "TEXT", "", "from>to, for example gpu3>nvswitch0, nic12>leaf4, leaf0>spine2"},
    {"kind", "TEXT", "", "nvlink, pcie, nic (adapter to leaf), leaf (leaf to spine) or core (to a core switch)"},
    {"capacity", "REAL", "B/s", "in one direction"},
    {"bytes", "REAL", "B", "moved over the run"},
    {"busy_time", "REAL", "s", "time at full capacity that its bytes amount to, kernels' losses included"},
    {"utilisation", "REAL", "", "bytes over capacity x simulated time"},
    {"peak_utilisation", "REAL", "", "largest share of capacity in a sample; null without `network.sample_interval`"},
    {"saturated_time", "REAL", "s", "time in which flows used all of it, a hot spot; null in closed forms"},
    {"most_flows", "INTEGER", "", "flows that shared it at once; null in closed forms"},
};
constexpr Column kLinkUse[] = {
    {"run", "INTEGER", "", "run.run"},
    {"link", "INTEGER", "", "link.link"},
    {"until", "REAL", "s", "end of the interval"},
    {"share", "REAL", "", "mean share of capacity in use"},
};
constexpr Column kPair[] = {
    {"run", "INTEGER", "", "run.run"},
    {"source", "INTEGER", "", "GPU that sent"},
    {"destination", "INTEGER", "", "GPU that received; relays appear in their own right"},
    {"bytes", "INTEGER", "B", "payload"},
};
constexpr Column kStage[] = {
    {"run", "INTEGER", "", "run.run"},
    {"stage", "INTEGER", "", "pipeline stage (rank of the pipeline), from 0"},
    {"name", "TEXT", "",
     "kind of time: forward, backward, weight, overlapped, bubble, optimizer, exposed_communication, host"},
    {"time", "REAL", "s", "mean over the stage's GPUs"},
};
constexpr Column kRequest[] = {
    {"run", "INTEGER", "", "run.run"},
    {"request", "INTEGER", "", "number of the request in order of arrival, from 0"},
    {"state", "TEXT", "", "finished, running, waiting or rejected"},
    {"reason", "TEXT", "", "why it was rejected, or empty"},
    {"instance", "INTEGER", "", "instance that generated its tokens, or null"},
    {"arrival", "REAL", "s", ""},
    {"start", "REAL", "s", "first step it took part in"},
    {"first_token", "REAL", "s", ""},
    {"end", "REAL", "s", "last token"},
    {"input_tokens", "INTEGER", "", ""},
    {"output_tokens", "INTEGER", "", ""},
    {"cached_tokens", "INTEGER", "", "input tokens found in the prefix cache"},
    {"preemptions", "INTEGER", "", "times it lost its KV cache"},
};
constexpr Column kStep[] = {
    {"run", "INTEGER", "", "run.run"},
    {"step", "INTEGER", "", "number of the step, from 0"},
    {"instance", "INTEGER", "", "instance or pool that ran it, 0 if there is one"},
    {"phase", "TEXT", "", "prefill, decode, mixed or train"},
    {"start", "REAL", "s", ""},
    {"end", "REAL", "s", ""},
    {"requests", "INTEGER", "", "requests (sequences) in it"},
    {"tokens", "INTEGER", "", "tokens computed"},
    {"balancedness", "REAL", "", "mean over layers of mean/max GPU load"},
};
constexpr Column kExpertLoad[] = {
    {"run", "INTEGER", "", "run.run"},
    {"layer", "INTEGER", "", "layer number in the model"},
    {"phase", "TEXT", "", "prefill, decode or train"},
    {"expert", "INTEGER", "", "logical expert"},
    {"tokens", "REAL", "", "tokens routed to it"},
};
constexpr Column kPlacement[] = {
    {"run", "INTEGER", "", "run.run"},
    {"layer", "INTEGER", "", "layer number in the model"},
    {"slot", "INTEGER", "", "slot in the expert-parallel group"},
    {"gpu", "INTEGER", "", "GPU of the group that holds the slot"},
    {"expert", "INTEGER", "", "logical expert in it, -1 for an empty slot"},
};
constexpr Column kMemory[] = {
    {"run", "INTEGER", "", "run.run"},
    {"scope", "TEXT", "", "gpu:0, stage:3, ..."},
    {"part", "TEXT", "", "weights, gradients, optimizer, activations, kv_cache, buffers, workspace, ..."},
    {"bytes", "INTEGER", "B", ""},
};
constexpr Column kSpan[] = {
    {"run", "INTEGER", "", "run.run"},
    {"gpu", "INTEGER", "", "GPU, or null for a link"},
    {"stream", "TEXT", "", "compute, communication, or the link's name"},
    {"name", "TEXT", "", "the operation"},
    {"layer", "INTEGER", "", "layer number in the model, or null"},
    {"start", "REAL", "s", ""},
    {"end", "REAL", "s", ""},
};
constexpr Column kPublished[] = {
    {"run", "INTEGER", "", "run.run"},
    {"name", "TEXT", "", "metric.name"},
    {"scope", "TEXT", "", "metric.scope"},
    {"value", "REAL", "", "as measured, in the metric's unit"},
    {"source", "TEXT", "", "where it was published"},
};
constexpr Column kSweep[] = {
    {"sweep", "TEXT", "", "the sweep file's text"},
    {"points", "INTEGER", "", "points of the whole grid"},
    {"shard", "INTEGER", "", "which part of them this process ran, from 1"},
    {"shards", "INTEGER", "", "of how many parts"},
    {"state", "TEXT", "", "complete, interrupted, failed, or running (it still is, or the program was killed)"},
};
constexpr Column kSweepPoint[] = {
    {"point", "INTEGER", "", "number of the point in the sweep's order"},
    {"run", "INTEGER", "", "run.run, or null if the point was infeasible"},
    {"key", "TEXT", "", "the key path that was varied"},
    {"value", "TEXT", "", "its value here"},
    {"problem", "TEXT", "", "why the point is infeasible, or empty"},
};
constexpr TableDefinition kTables[] = {
    {Table::run, "run", "One row a simulation: what was asked, what was in force, how it ended.", kRun},
    {Table::option, "option",
     "What the command line changed of what was asked, in its order; the points of a sweep have sweep_point instead.",
     kOption},
    {Table::assumption, "assumption", "What was taken where a scenario may leave it open.", kAssumption},
    {Table::warning, "warning", "What to know before using the run's figures.", kWarning},
    {Table::metric, "metric", "Every figure of a run, one row each.", kMetric},
    {Table::series, "series", "Figures over time: metrics whose scope in metrics.md ends in /time.", kSeries},
    {Table::latency, "latency",
     "How long requests took, as shares of them: the whole curve that `ttft_p90` is a point of.", kLatency},
    {Table::gpu, "gpu", "Where each GPU's time and memory went.", kGpu},
    {Table::link, "link", "What each link that is simulated carried.", kLink},
    {Table::link_use, "link_use", "Links in use over time; only with `network: {sample_interval: ...}`.", kLinkUse},
    {Table::pair, "pair", "Bytes between each two GPUs; only with `network: {count_pairs: true}`.", kPair},
    {Table::stage, "stage", "Where each pipeline stage's time went.", kStage},
    {Table::request, "request", "Each request served, waiting or rejected.", kRequest},
    {Table::step, "step", "Each forward pass of an instance, or training step.", kStep},
    {Table::expert_load, "expert_load", "Tokens of each expert.", kExpertLoad},
    {Table::placement, "placement", "Which expert each slot holds.", kPlacement},
    {Table::gpu_load, "gpu_load",
     "What each GPU has to do in each layer, of placements compared: the first, the best, and others while they are "
     "few.",
     kGpuLoad},
    {Table::gpu_traffic, "gpu_traffic",
     "Who sends to whom, of placements compared: the first and the most even; between GPUs where these are 160 at "
     "most.",
     kGpuTraffic},
    {Table::drift, "drift", "How balance falls while a plan ages; only of windows so many minutes apart.", kDrift},
    {Table::memory, "memory", "What memory is made of.", kMemory},
    {Table::span, "span", "Operations with their start and end; only with `spans: true`.", kSpan},
    {Table::instruction, "instruction",
     "What the first training step's pipeline did, one GPU a stage; none where that would be 20,000 rows or more.",
     kInstruction},
    {Table::incident, "incident", "What interrupted a whole training run; the first 10,000.", kIncident},
    {Table::published, "published", "What others measured on the real system; no run computes with it.", kPublished},
    {Table::validation, "validation", "Published figures of many scenarios beside simulated ones.", kValidation},
    {Table::sweep, "sweep", "What a sweep is; a row a part of it.", kSweep},
    {Table::sweep_point, "sweep_point", "The values varied by a sweep.", kSweepPoint},
    {Table::candidate, "candidate", "Deployments that a plan was answered from, with what became of each.", kCandidate},
    {Table::candidate_pool, "candidate_pool", "Pools that could be built for a plan, in closed form.", kCandidatePool},
    {Table::variation, "variation", "A plan's answer tried again, and under other plans.", kVariation},
    {Table::trial, "trial", "Simulations that a plan's answer rests on.", kTrial},
    {Table::mapping, "mapping", "Ways to lay a training step out that a plan was answered from.", kMapping},
    {Table::step_trial, "step_trial", "Simulated training steps that a plan's answer rests on.", kStepTrial},
};
constexpr ViewDefinition kViews[] = {
    {"run_metric", "The metrics of whole runs beside the run's title.",
     "SELECT r.run, r.title, m.name, m.value, m.unit FROM metric m JOIN run r USING (run) WHERE m.scope = 'run'"},
    {"hottest_expert", "The most loaded expert of each layer and phase, and its load over the layer's mean.",
     "SELECT run, layer, phase, expert, max(tokens) AS tokens, max(tokens) / avg(tokens) AS max_over_mean "
     "FROM expert_load GROUP BY run, layer, phase"},
    {"request_latency", "Latencies of each finished request: first token, per output token, whole.",
     "SELECT run, request, first_token - arrival AS ttft, (\"end\" - first_token) / max(output_tokens - 1, 1) AS tpot, "
     "\"end\" - arrival AS e2e, start - arrival AS queue FROM request WHERE state = 'finished'"},
};
}  // namespace

std::span<const TableDefinition> tables() { return kTables; }
std::span<const ViewDefinition> views() { return kViews; }

const TableDefinition& definition(Table table) {
  for (const TableDefinition& t : kTables)
    if (t.table == table) return t;
  throw std::logic_error("a table has no definition");
}

std::string table_sql(const TableDefinition& t) {
  std::string out = fmt::format("CREATE TABLE {} (", t.name);
  for (const Column& c : t.columns)
    out += fmt::format("{}\"{}\" {}", &c == t.columns.data() ? "" : ", ", c.name, c.type);
  return out + ");\n";
}

std::string schema_sql() {
  std::string out;
  for (const TableDefinition& t : kTables) out += table_sql(t);
  for (const ViewDefinition& v : kViews) out += fmt::format("CREATE VIEW {} AS {};\n", v.name, v.sql);
  out += fmt::format("PRAGMA user_version = {};\n", kSchemaVersion);
  return out;
}

std::string schema_markdown() {
  std::string out = fmt::format(
      "# The results database\n\nSQLite, schema version {} (`PRAGMA user_version`). Written by `moesim run`, `sweep`, "
      "`merge`, `place`, `size` and `validate`; any SQL tool reads it.\nValues are in SI units. Generated by `moesim "
      "list schema`; "
      "do not "
      "edit.\n",
      kSchemaVersion);
  for (const TableDefinition& t : kTables) {
    out += fmt::format("\n## {}\n{}\n\n| column | type | unit | what |\n|---|---|---|---|\n", t.name, t.help);
    for (const Column& c : t.columns)
      out += fmt::format("| {} | {} | {} | {} |\n", c.name, c.type.substr(0, c.type.find(' ')), c.unit, c.help);
  }
  out += "\n## Views\n\n| view | what |\n|---|---|\n";
  for (const ViewDefinition& v : kViews) out += fmt::format("| {} | {} |\n", v.name, v.help);
  return out;
}
}  // namespace moesim::results
