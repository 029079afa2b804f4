// A serving scenario's layer: a step of one pool.
#include <fmt/format.h>

#include <algorithm>

#include "cli/explaining/explain_scenario.h"
#include "serving/deployment/pool_choices.h"
#include "serving/deployment/pool_memory.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
Config pool_of(const ExplainOptions& o, const Config& serving) {
  std::vector<std::string> names;
  for (const Config& pool : serving.at("pools").items()) {
    const serving::PoolSection section = read<serving::PoolSection>(pool);
    names.push_back(section.name.empty() ? std::string(name_of(section.role)) : section.name);
    if (o.pool.empty() || names.back() == o.pool) return pool;
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  throw ConfigError::placed(
      fmt::format("--pool: no pool is called \"{}\"{}", o.pool, suggestion(o.pool, views, "there are")));
}

// Requests come and go, so a step has no one size: the options', or 64 sequences of half a window of 8,192.
void set_step(const ExplainOptions& o, const runs::Scenario& scenario, serving::Role role, compute::ExplainRequest& r) {
  const std::string words[] = {"prefill", "decode"};
  if (!o.phase.empty() && std::ranges::find(words, o.phase) == std::end(words))
    throw ConfigError::placed(fmt::format("--phase: expected prefill or decode, got \"{}\"", o.phase));
  if ((role == serving::Role::prefill && o.phase == "decode") ||
      (role == serving::Role::decode && o.phase == "prefill"))
    throw ConfigError::placed(fmt::format("--phase: this pool's role is {}", name_of(role)));
  const bool decode = role == serving::Role::decode || (role == serving::Role::both && o.phase != "prefill");
  r.phase = decode ? compute::StepPhase::decode : compute::StepPhase::prefill;
  if (decode) r.options.layout = compute::GroupLayout::masked;  // the faster for few rows, where a pool may take either
  const serving::ServingSection section = read<serving::ServingSection>(scenario.config.at("serving"));
  const std::int64_t positions = section.context > 0 ? section.context : r.model.max_positions;
  const std::int64_t tokens = std::max<std::int64_t>(1, std::min<std::int64_t>(4096, positions / 2));
  r.sequences = decode ? 64 : 1;
  r.tokens = decode ? 1 : tokens;
  r.context = decode ? tokens : 0;
  set_sequences(o, r);
}

}  // namespace

void explain_serving(const ExplainOptions& o, const runs::Scenario& scenario, ExplainSubject& s) {
  only_step_options(o, "serving",
                    {"--phase", "--pool", "--stage", "--sequences", "--tokens", "--context", "--lengths"});
  const Config config = pool_of(o, scenario.config.at("serving"));
  serving::PoolSection pool = read<serving::PoolSection>(config);
  if (pool.fixed) config.fail("its steps have a fixed cost: there is no layer to explain");
  compute::ExplainRequest& r = s.request;
  r.model = spec::read_model(scenario.config.at("model"));
  const spec::Node node =
      config.has("node") ? spec::read_node(config.at("node")) : spec::read_cluster(scenario.config.at("cluster")).node;
  s.gpu = node.gpu;
  const serving::Parallel& p = pool.parallel;
  serving::check_pool(config, pool, &r.model);
  const forward::Engine engine = serving::engine_of(scenario.config.at("serving"), config).engine;
  const forward::StepSetup setup = serving::setup_of(config, pool, r.model, s.gpu, engine);
  take_setup(setup, s);
  r.expert_parallel = r.model.moe && !p.experts_tensor ? p.stage_gpus() : 1;
  r.slots = slots_of(config.has("placement") ? config : scenario.config, r.model, r.expert_parallel);
  set_step(o, scenario, pool.role, r);
  r.parts = p.context;
  size_buffers(setup, node.gpus, r);
  if (o.stage >= p.pipeline)
    throw ConfigError::placed(fmt::format("--stage: expected 0 to {}, got {}", p.pipeline - 1, o.stage));
  const int stage = std::max(0, o.stage);
  r.held = serving::held(r.model, p, stage, r.slots, false);
  if (p.pipeline > 1) s.memory = fmt::format("pipeline stage {}", stage);
  s.kernels = compute::make_kernel_model(scenario.config, s.gpu);
  s.kernels->prefer(engine.experts);
  s.kernels->prefer_scans(engine.scans);
}
}  // namespace moesim::cli
